// npm test: the whole suite on a stack of its own, ended with it. Ends with a line `N passed, N failed`.
//   npm test                        everything, on MariaDB
//   npm test -- test/unit           only what the words select (vitest's filters and flags)
//   npm run test:mysql              store and end-to-end suites on the real MySQL
//   npm test -- --kafka 3.9.2       the suites that speak to Kafka, on another version of it
// REPRISE_TEST_DATABASE_URL points the suites at another server instead of a private one; its user must be
// allowed to create databases whose names begin with `reprise_`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrometheus } from './stack/prometheus.ts';
import { startStack } from './stack/stack.ts';

const ROOT = join(import.meta.dirname, '..');
/** What speaks to a database. */
const DATABASE_SUITES = ['test/integration/store', 'test/integration/api', 'test/e2e'];
/** Of them what is about Kafka, or pages and programs for people, alone: it runs on the other database. */
const NOT_WITH_MYSQL = [
  ...['fault-brokers', 'fault-credentials', 'fault-kafka', 'read-*', 'replay-formats'],
  ...['sites-mirror', 'replay-plan-sites', 'docs-browser', 'receiver-examples'],
];
/** What speaks to Kafka in a way that its version could change: all reading, and faults of brokers. */
const KAFKA_SUITES = [
  'test/integration/kafka',
  'test/integration/stack',
  'test/e2e/fault-brokers',
  'test/e2e/fault-kafka',
  'test/e2e/read-',
  'test/e2e/replay-disorder',
  'test/e2e/replay-formats',
  'test/e2e/replay-identity',
  'test/e2e/replay-late-events',
  'test/e2e/replay-range',
  'test/e2e/replay-retention',
  'test/e2e/replay-sources',
];

interface Totals {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
}

async function main(words: readonly string[]): Promise<number> {
  const mysql = words.includes('--mysql');
  const { version, others } = kafkaOf(words);
  const chosen = others.filter((word) => word !== '--mysql');
  // Read by everything that starts a broker, in this process and in the tests.
  if (version !== null) process.env['REPRISE_KAFKA_VERSION'] = version;
  const given = process.env['REPRISE_TEST_DATABASE_URL'];
  const database = given ? 'none' : mysql ? 'mysql' : 'mariadb';
  const stack = await startStack({ name: `test-${process.pid}`, database, tied: true });
  const stop = (): Promise<void> => stack.stop({ wipe: true });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(130)));
  }
  try {
    const promtool = await promtoolPath();
    const results = join(stack.dir, 'results.json');
    const suites = mysql ? DATABASE_SUITES : version === null ? [] : KAFKA_SUITES;
    const filters = chosen.length > 0 ? chosen : suites;
    const left = mysql && chosen.length === 0 ? NOT_WITH_MYSQL : [];
    const without = left.map((name) => `--exclude=test/e2e/${name}.test.ts`);
    const code = await vitest(
      [...filters, ...without, '--reporter=default', '--reporter=json', `--outputFile.json=${results}`],
      {
        REPRISE_TEST_BROKERS: stack.brokers,
        REPRISE_TEST_DATABASE_URL: given ?? stack.databaseUrl,
        REPRISE_TEST_DATABASE: mysql ? 'mysql' : 'mariadb',
        ...(promtool === null ? {} : { REPRISE_TEST_PROMTOOL: promtool }),
      },
    );
    return report(results, code);
  } finally {
    await stop();
  }
}

/** Kafka's version of `--kafka <version>`, and the words that are left. */
function kafkaOf(words: readonly string[]): { version: string | null; others: readonly string[] } {
  const at = words.indexOf('--kafka');
  if (at < 0) return { version: null, others: words };
  const version = words[at + 1] ?? '';
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    console.error(`not a version of Kafka: "${version}" (usage: npm test -- --kafka 3.9.2 [filters])`);
    process.exit(2);
  }
  return { version, others: words.toSpliced(at, 2) };
}

/** promtool of a Debian machine; elsewhere its one test is skipped, and that is said. */
async function promtoolPath(): Promise<string | null> {
  try {
    return (await ensurePrometheus()).promtool;
  } catch (error) {
    console.error(`promtool's test is skipped: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

async function vitest(args: readonly string[], env: Record<string, string>): Promise<number> {
  const child = spawn(
    process.execPath,
    [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args],
    {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env, NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning' },
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** The closing line; a run without a single passed test is a failed one. */
function report(results: string, code: number): number {
  const totals = JSON.parse(readFileSync(results, 'utf8')) as Totals;
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = totals;
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return code !== 0 || !totals.success || passed === 0 ? 1 : 0;
}

process.exit(await main(process.argv.slice(2)));
