// Python programs from PyPI, each in a virtual environment of its own below `.reprise/python/`, made once from a list of
// pinned packages in stack/python/. Call programs as modules (`python -m ...`): the folder is renamed when it is
// complete, and the scripts in its bin/ hold the path it had before.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { repositoryDir, repriseDir, sha256 } from './paths.ts';
import { run } from './run.ts';

const APT = 'apt-get update && apt-get install -y --no-install-recommends python3 python3-venv';

/** The interpreter of the environment with what `stack/python/<name>.txt` lists. */
export async function ensurePython(name: string): Promise<string> {
  const list = join(repositoryDir, 'stack', 'python', `${name}.txt`);
  const stamp = sha256(readFileSync(list), await version());
  const folder = await ensureFolder(join(repriseDir, 'python', name), stamp, async (partial) => {
    console.error(`installing ${name} from PyPI ...`);
    await run('python3', ['-m', 'venv', join(partial, 'venv')]);
    const python = join(partial, 'venv', 'bin', 'python');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', list]);
  });
  return join(folder, 'venv', 'bin', 'python');
}

/** Of a Python that can make environments; installs it where that is possible without asking, as bootstrap.mjs does. */
async function version(): Promise<string> {
  const found = await look();
  if (found !== null) return found;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.error('installing Python ...');
    await run('sh', ['-c', `DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; ${APT}`]);
    const installed = await look();
    if (installed !== null) return installed;
  }
  throw new Error(`Python 3 with venv is needed. On Debian this installs it:\n  sudo sh -c '${APT}'`);
}

/** Debian ships `venv` without what it needs (ensurepip) unless python3-venv is there. */
async function look(): Promise<string | null> {
  try {
    return await run('python3', ['-c', 'import ensurepip, sys, venv; print(sys.version)']);
  } catch {
    return null;
  }
}
