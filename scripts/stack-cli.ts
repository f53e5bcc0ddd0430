// npm run stack -- start|stop|status: servers to develop against, that stay until they are stopped.
import { parseArgs } from 'node:util';
import type { DatabaseKind } from './stack/database.ts';
import { startStack, statusOf, stackOf, stopStack } from './stack/stack.ts';
import type { Stack } from './stack/stack.ts';

const USAGE = `usage: npm run stack -- <start|stop|status> [options]

  --name <name>               which stack (default: dev)
  --database <mariadb|mysql>  with start (default: mariadb)
  --sites <n or a,b>          with start: one Kafka cluster each, and MirrorMaker 2 between all of them;
                              a number names them dc1, dc2, ... (default: one, local)
  --brokers <n>               with start: of each cluster (default: 1)
  --wipe                      with stop: delete the data too`;

function usage(problem: string): never {
  console.error(`${problem}\n${USAGE}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        name: { type: 'string', default: 'dev' },
        database: { type: 'string', default: 'mariadb' },
        sites: { type: 'string', default: 'local' },
        brokers: { type: 'string', default: '1' },
        wipe: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    usage(error instanceof Error ? error.message : String(error));
  }
}

/** Quoted for a shell, because sites are separated by semicolons. */
function printExports(stack: Pick<Stack, 'sitesSetting' | 'databaseUrl'>): void {
  console.log(`export REPRISE_DATABASE_URL='${stack.databaseUrl}'`);
  console.log(`export REPRISE_SITES='${stack.sitesSetting}'`);
}

function printStatus(name: string): number {
  const { state, running } = statusOf(name);
  const living = Object.entries(running).filter(([, pid]) => pid !== undefined);
  if (!state || living.length === 0) {
    console.log(`stack "${name}" does not run`);
    return 3;
  }
  for (const [server, pid] of Object.entries(running)) {
    console.log(`# ${server}: ${pid === undefined ? 'dead' : `running, pid ${String(pid)}`}`);
  }
  printExports(stackOf(state));
  return 0;
}

/** The sites' names, of a list or a number of them. */
function siteNames(text: string): readonly string[] {
  if (/^[1-9]$/.test(text)) return Array.from({ length: Number(text) }, (_, index) => `dc${index + 1}`);
  const names = text.split(',').filter((site) => site !== '');
  const wrong = names.find((site) => !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(site));
  if (wrong !== undefined) usage(`not a site name: ${wrong}`);
  if (new Set(names).size < names.length) usage(`a site twice: ${text}`);
  return names;
}

function databaseKind(text: string): DatabaseKind {
  return text === 'mariadb' || text === 'mysql' ? text : usage(`unknown database: ${text}`);
}

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

const { values, positionals } = readArguments();
const [command, ...more] = positionals;
if (more.length > 0) usage(`too many words: ${more.join(' ')}`);
if (!/^[a-z0-9][a-z0-9-]*$/.test(values.name)) usage(`not a stack name: ${values.name}`);
if (!/^[1-9]$/.test(values.brokers)) usage(`not a number of brokers: ${values.brokers}`);
const options = {
  name: values.name,
  database: databaseKind(values.database),
  sites: siteNames(values.sites),
  brokersPerSite: Number(values.brokers),
};

switch (command) {
  case 'start':
    printExports(await startStack(options).catch(fail));
    break;
  case 'stop':
    await stopStack(values.name, { wipe: values.wipe }).catch(fail);
    break;
  case 'status':
    process.exitCode = printStatus(values.name);
    break;
  case undefined:
  default:
    usage(command === undefined ? 'which command?' : `unknown command: ${command}`);
}
