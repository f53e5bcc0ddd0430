// kcat, as Debian has it: the machine's own when it is installed, else unpacked with all it needs and run through
// the unpacked loader and libraries, so that it does not matter how old the system's are.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { ownSuite, unpackWithDependencies } from './debian.ts';
import { libDir, sha256 } from './paths.ts';

/** The words that call it. Throws on a machine that has neither kcat nor apt. */
export async function ensureKcat(): Promise<readonly string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const installed = folders.map((folder) => join(folder, 'kcat')).find((file) => existsSync(file));
  if (installed !== undefined) return [installed];
  const suite = ownSuite();
  const folder = await ensureFolder(join(libDir, 'kcat'), sha256(suite), async (partial) => {
    console.error('downloading kcat ...');
    await unpackWithDependencies(partial, suite, ['kcat']);
  });
  const root = join(folder, 'root');
  const libraries = ['lib', 'usr/lib'].map((place) => join(root, place, 'x86_64-linux-gnu'));
  const loader = libraries
    .map((place) => join(place, 'ld-linux-x86-64.so.2'))
    .find((file) => existsSync(file));
  if (loader === undefined) throw new Error('the unpacked kcat has no loader');
  return [loader, '--library-path', libraries.join(':'), join(root, 'usr/bin/kcat')];
}
