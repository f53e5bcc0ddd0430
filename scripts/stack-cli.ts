// npm run stack -- start|stop|status: servers to develop against, that stay until they are stopped.
import { parseArgs } from 'node:util';
import { startStack, statusOf, stopStack } from './stack/stack.ts';
import type { Stack } from './stack/stack.ts';

const USAGE = `usage: npm run stack -- <start|stop|status> [options]

  --name <name>               which stack (default: dev)
  --database <mariadb|mysql>  with start (default: mariadb)
  --sites <a,b>               with start: one Kafka cluster each (default: local)
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
        wipe: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    usage(error instanceof Error ? error.message : String(error));
  }
}

/** Quoted for a shell, because sites are separated by semicolons. */
function printExports(stack: Pick<Stack, 'sites' | 'databaseUrl'>): void {
  const sites = stack.sites.map((site) => `${site.name}=${site.brokers}/delivery_log`);
  console.log(`export REPRISE_DATABASE_URL='${stack.databaseUrl}'`);
  console.log(`export REPRISE_SITES='${sites.join(';')}'`);
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
  const sites = state.sites.map((site) => ({ name: site.name, brokers: `127.0.0.1:${site.port}` }));
  printExports({ sites, databaseUrl: state.databaseUrl });
  return 0;
}

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

const { values, positionals } = readArguments();
const [command, ...more] = positionals;
if (more.length > 0) usage(`too many words: ${more.join(' ')}`);
if (!/^[a-z0-9][a-z0-9-]*$/.test(values.name)) usage(`not a stack name: ${values.name}`);
const { database } = values;
if (database !== 'mariadb' && database !== 'mysql') usage(`unknown database: ${database}`);
const sites = values.sites.split(',').filter((site) => site !== '');
const wrongSite = sites.find((site) => !/^[a-z0-9-]+$/.test(site));
if (wrongSite !== undefined) usage(`not a site name: ${wrongSite}`);

switch (command) {
  case 'start':
    printExports(await startStack({ name: values.name, database, sites }).catch(fail));
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
