// The benches' programs in Go, under test/bench/peers: each is built once from its sources by this machine's Go, kept
// under .reprise/lib, and built again when the sources, the modules or Go itself change.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder } from '../../scripts/stack/artifacts.ts';
import { libDir, sha256 } from '../../scripts/stack/paths.ts';
import { run } from '../../scripts/stack/run.ts';

export interface GoProgram {
  readonly path: string;
  /** Go's own, and the module's that the program is made of. */
  readonly version: string;
}

/** `module`: the one whose version is told. Rejects on a machine without Go. */
export async function goProgram(folder: string, name: string, module?: string): Promise<GoProgram> {
  const from = join(import.meta.dirname, 'peers', folder);
  const files = readdirSync(from).filter((file) => /\.go$|^go\.(mod|sum)$/.test(file));
  const go = (await run('go', ['env', 'GOVERSION'], { cwd: from })).trim();
  const stamp = sha256(go, ...files.map((file) => readFileSync(join(from, file))));
  const built = await ensureFolder(join(libDir, name), stamp, async (partial) => {
    console.error(`building ${name} ...`);
    await run('go', ['build', '-buildvcs=false', '-o', join(partial, name), '.'], { cwd: from });
  });
  const modules = readFileSync(join(from, 'go.mod'), 'utf8').split(/\s+/);
  const version = module === undefined ? [] : [modules[modules.indexOf(module) + 1] ?? '?'];
  return { path: join(built, name), version: [...version, go].join(', ') };
}
