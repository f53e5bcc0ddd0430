// The real MySQL 9.7, which Debian has only in its unstable suite. Its packages are downloaded with
// an apt configuration of our own and unpacked beside it; nothing is installed, root is not needed.
// It runs through its own loader and libraries, because the system's are older.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { userArgs } from './database.ts';
import type { DatabaseBrand } from './database.ts';
import { unpackWithDependencies } from './debian.ts';
import { repriseDir, sha256 } from './paths.ts';
import { run } from './run.ts';

const PACKAGES = ['mysql-server-core', 'mysql-client-core'];

/** The folder that stands for `/` of the unpacked packages. */
export async function ensureMysql(): Promise<string> {
  const stamp = sha256('sid', ...PACKAGES);
  const folder = await ensureFolder(join(repriseDir, 'mysql-9.7'), stamp, async (partial) => {
    console.error('downloading MySQL 9.7 ...');
    const root = await unpackWithDependencies(partial, 'sid', PACKAGES);
    const version = await run(join(root, 'usr/bin/mysql'), ['--version']).catch(() => '');
    if (version !== '' && !version.includes(' 9.')) console.error(`note: this is ${version.trim()}`);
  });
  return join(folder, 'root');
}

async function command(): Promise<readonly string[]> {
  const root = await ensureMysql();
  const usr = join(root, 'usr');
  const libraries = join(usr, 'lib/x86_64-linux-gnu');
  return [
    join(libraries, 'ld-linux-x86-64.so.2'),
    '--library-path',
    `${libraries}:${join(usr, 'lib/mysql/private')}`,
    join(usr, 'sbin/mysqld'),
    '--no-defaults',
    `--basedir=${usr}`,
    `--lc-messages-dir=${join(usr, 'share/mysql')}`,
    `--character-sets-dir=${join(usr, 'share/mysql/charsets')}`,
    `--plugin-dir=${join(usr, 'lib/mysql/plugin')}`,
    '--secure-file-priv=NULL',
    '--mysqlx=OFF',
    // The binary log doubles the syncs of each commit and nobody reads it here.
    '--disable-log-bin',
    ...userArgs(),
  ];
}

export const mysql: DatabaseBrand = {
  name: 'MySQL',
  async initialize(dataDir) {
    // MySQL makes root@localhost only; over TCP and without name look-ups we are 127.0.0.1.
    const rootOverTcp = join(dirname(dataDir), 'root-over-tcp.sql');
    writeFileSync(
      rootOverTcp,
      "CREATE USER 'root'@'127.0.0.1';\nGRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n",
    );
    return [
      ...(await command()),
      `--datadir=${dataDir}`,
      '--initialize-insecure',
      `--init-file=${rootOverTcp}`,
    ];
  },
  command,
};
