// Debian packages, downloaded with an apt configuration of our own and unpacked into a folder: nothing is
// installed, root is not needed, and the system's lists and caches stay as they are.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const HINT = 'this comes from Debian packages and needs a Debian machine with apt';

/** Unpacks the packages and all they depend on below `<folder>/root`; returns that path. */
export function unpackWithDependencies(
  folder: string,
  suite: string,
  packages: readonly string[],
): Promise<string> {
  return unpack(folder, suite, ['-d', '--no-install-recommends', 'install', ...packages]);
}

/** Unpacks the packages alone, for programs that need nothing else. */
export function unpackAlone(folder: string, suite: string, packages: readonly string[]): Promise<string> {
  return unpack(folder, suite, ['download', ...packages]);
}

/** The suite of the machine's own Debian, e.g. `bookworm`. */
export function ownSuite(): string {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (suite === undefined) throw new Error(HINT);
  return suite;
}

async function unpack(folder: string, suite: string, words: readonly string[]): Promise<string> {
  const apt = join(folder, 'apt');
  const archives = join(apt, 'archives');
  mkdirSync(join(archives, 'partial'), { recursive: true });
  mkdirSync(join(apt, 'lists', 'partial'), { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${await debianUri()} ${suite} main\n`);
  const settings = settingsOf(apt, archives);
  await run('apt-get', [...settings, '-qq', 'update']);
  await run('apt-get', [...settings, '-qq', '-y', ...words], { cwd: archives });
  const found = readdirSync(archives).filter((file) => file.endsWith('.deb'));
  if (found.length === 0) throw new Error(`apt-get downloaded nothing for ${words.join(' ')}`);
  const root = join(folder, 'root');
  mkdirSync(root);
  for (const archive of found) await run('dpkg-deb', ['-x', join(archives, archive), root]);
  rmSync(apt, { recursive: true });
  return root;
}

function settingsOf(apt: string, archives: string): string[] {
  return [
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
}

/** The archive the machine itself uses. */
async function debianUri(): Promise<string> {
  const uris = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)']).catch((error: unknown) => {
    throw new Error(HINT, { cause: error });
  });
  const uri = uris.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (uri === undefined) throw new Error(HINT);
  return uri;
}
