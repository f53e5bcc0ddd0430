// MariaDB from the binaries of Maven Central: no root, no apt.
import { dirname, join } from 'node:path';
import { ensureMariadb } from './artifacts.ts';
import { userArgs } from './database.ts';
import type { DatabaseBrand } from './database.ts';

/** Not the machine's: a server that starts removes the temporary tables that it finds there, another one's too. */
const tmpdirOf = (dataDir: string): string => `--tmpdir=${dirname(dataDir)}`;

export const mariadb: DatabaseBrand = {
  name: 'MariaDB',
  async initialize(dataDir) {
    const base = await ensureMariadb();
    return [
      join(base, 'scripts/mariadb-install-db'),
      '--no-defaults',
      `--basedir=${base}`,
      `--datadir=${dataDir}`,
      tmpdirOf(dataDir),
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      ...userArgs(),
    ];
  },
  async command(dataDir) {
    const base = await ensureMariadb();
    return [
      join(base, 'bin/mariadbd'),
      '--no-defaults',
      `--basedir=${base}`,
      tmpdirOf(dataDir),
      // Else 11.4 makes an RSA key for TLS at every start: 2 to 19 s of one core, instead of 0.3 s.
      '--skip-ssl',
      `--pid-file=${join(dataDir, 'server.pid')}`,
      ...userArgs(),
    ];
  },
};
