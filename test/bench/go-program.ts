// The benches' programs in Go, each a folder of its own: built once into `.reprise/lib/`, and anew when a source or the
// compiler changed.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder } from '../../scripts/stack/artifacts.ts';
import { libDir, sha256 } from '../../scripts/stack/paths.ts';
import { run } from '../../scripts/stack/run.ts';

export interface GoProgram {
  readonly program: string;
  /** The texts of all its files, go.mod first. */
  readonly sources: string;
  /** The compiler's version. */
  readonly go: string;
}

/** Throws when this machine has no Go. */
export async function ensureGoProgram(folder: string, name: string): Promise<GoProgram> {
  const sources = readdirSync(folder)
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const go = (await run('go', ['env', 'GOVERSION'], { cwd: folder })).trim();
  const built = await ensureFolder(join(libDir, name), sha256(go, sources), async (partial) => {
    console.error(`building ${name} ...`);
    await run('go', ['build', '-buildvcs=false', '-o', join(partial, name), '.'], { cwd: folder });
  });
  return { program: join(built, name), sources, go };
}
