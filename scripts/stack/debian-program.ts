// A program as Debian has it: the machine's own when it is installed, else unpacked with all it needs and run through
// the unpacked loader and libraries, so that it does not matter how old the system's are.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { ownSuite, unpackWithDependencies } from './debian.ts';
import { libDir, sha256 } from './paths.ts';

/** The words that call it; its package has the same name. Throws on a machine that has neither it nor apt. */
export async function ensureProgram(name: string): Promise<readonly string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const installed = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  if (installed !== undefined) return [installed];
  const suite = ownSuite();
  const folder = await ensureFolder(join(libDir, name), sha256(suite), async (partial) => {
    console.error(`downloading ${name} ...`);
    await unpackWithDependencies(partial, suite, [name]);
  });
  const root = join(folder, 'root');
  const libraries = ['lib', 'usr/lib'].map((place) => join(root, place, 'x86_64-linux-gnu'));
  const loader = libraries
    .map((place) => join(place, 'ld-linux-x86-64.so.2'))
    .find((file) => existsSync(file));
  if (loader === undefined) throw new Error(`the unpacked ${name} has no loader`);
  return [loader, '--library-path', libraries.join(':'), join(root, 'usr/bin', name)];
}
