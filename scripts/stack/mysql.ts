// The real MySQL 9.7, which Debian has only in its unstable suite. Its packages are downloaded with
// an apt configuration of our own and unpacked beside it; nothing is installed, root is not needed.
// It runs through its own loader and libraries, because the system's are older.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureFolder } from './artifacts.ts';
import { userArgs } from './database.ts';
import type { DatabaseBrand } from './database.ts';
import { repriseDir, sha256 } from './paths.ts';
import { run } from './run.ts';

const PACKAGES = ['mysql-server-core', 'mysql-client-core'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The folder that stands for `/` of the unpacked packages. */
export async function ensureMysql(): Promise<string> {
  const stamp = sha256('sid', ...PACKAGES);
  const folder = await ensureFolder(join(repriseDir, 'mysql-9.7'), stamp, async (partial) => {
    console.error('downloading MySQL 9.7 ...');
    const archives = await download(join(partial, 'apt'));
    const root = join(partial, 'root');
    mkdirSync(root);
    for (const archive of archives) await run('dpkg-deb', ['-x', archive, root]);
    rmSync(join(partial, 'apt'), { recursive: true });
    const version = await run(join(root, 'usr/bin/mysql'), ['--version']).catch(() => '');
    if (version !== '' && !version.includes(' 9.')) console.error(`note: this is ${version.trim()}`);
  });
  return join(folder, 'root');
}

async function download(apt: string): Promise<string[]> {
  const archives = join(apt, 'archives');
  mkdirSync(join(archives, 'partial'), { recursive: true });
  mkdirSync(join(apt, 'lists', 'partial'), { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${await debianUri()} sid main\n`);
  const settings = [
    `Dir::Etc::SourceList=${join(apt, 'sources.list')}`,
    'Dir::Etc::SourceParts=-',
    `Dir::State=${apt}`,
    `Dir::State::Lists=${join(apt, 'lists')}`,
    `Dir::State::status=${join(apt, 'status')}`,
    `Dir::Cache=${apt}`,
    `Dir::Cache::archives=${archives}`,
    'APT::Sandbox::User=root',
    'APT::Architecture=amd64',
    // Hooks of the system (that clear its caches) have no business here.
    'APT::Update::Post-Invoke=',
    'Debug::NoLocking=1',
  ].flatMap((setting) => ['-o', setting]);
  await run('apt-get', [...settings, '-qq', 'update']);
  await run('apt-get', [...settings, '-qq', '-y', '-d', '--no-install-recommends', 'install', ...PACKAGES]);
  const found = readdirSync(archives).filter((file) => file.endsWith('.deb'));
  if (found.length === 0) throw new Error('apt-get downloaded no MySQL packages');
  return found.map((file) => join(archives, file));
}

/** The archive the machine itself uses. */
async function debianUri(): Promise<string> {
  const hint =
    'MySQL comes from Debian packages and needs a Debian machine with apt; use --database mariadb elsewhere';
  const uris = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)']).catch((error: unknown) => {
    throw new Error(hint, { cause: error });
  });
  const uri = uris.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (uri === undefined) throw new Error(hint);
  return uri;
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
