// Prometheus with its promtool, as Debian has them: two static programs, unpacked and not installed.
import { join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { ownSuite, unpackAlone } from './debian.ts';
import { repriseDir, sha256 } from './paths.ts';

/** Paths of the two programs. */
export async function ensurePrometheus(): Promise<{
  readonly prometheus: string;
  readonly promtool: string;
}> {
  const suite = ownSuite();
  const folder = await ensureFolder(join(repriseDir, 'prometheus'), sha256(suite), async (partial) => {
    console.error('downloading Prometheus ...');
    await unpackAlone(partial, suite, ['prometheus']);
  });
  const bin = join(folder, 'root', 'usr', 'bin');
  return { prometheus: join(bin, 'prometheus'), promtool: join(bin, 'promtool') };
}
