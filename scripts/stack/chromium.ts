// A real browser: Debian's Chromium, the machine's own or installed where that is possible. It starts processes of its
// own by its path, so that it cannot be run out of an unpacked folder as other programs are (debian-program.ts).

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const INSTALL = 'apt-get update && apt-get install -y --no-install-recommends chromium';

/** Its file; null on a machine that has none and where only an administrator could install it. */
export function ensureChromium(): string | null {
  const found = installed();
  if (found !== null || process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0)
    return found;
  console.error('installing Chromium ...');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const done = spawnSync('sh', ['-c', INSTALL], { encoding: 'utf8', env, maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`Chromium was not installed: ${done.stdout}${done.stderr}`);
  return installed();
}

function installed(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const places = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find((file) => existsSync(file)) ?? null;
}
