// npm run test:api: a property-based tester of APIs (schemathesis) against a real instance with a history, by the
// description that this instance serves. It demands that no request makes a server error, that every answer is one
// the description knows, in the shape it gives, and that no operation forgets to ask for the key.
//   npm run test:api                  200 cases per operation and phase, a seed by chance
//   npm run test:api -- --short       12 of them, always with the same seed: for CI
//   npm run test:api -- --seed 7      as the run that printed it
//   npm run test:api -- --only /v1/replays    the paths that contain it

import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePython } from '../../scripts/stack/python.ts';
import { startStack } from '../../scripts/stack/stack.ts';
import { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { freePort } from '../support/ports.ts';
import { Receiver } from '../support/receiver.ts';
import { seed } from './seed.ts';
import { settingsOf, wordsOf } from './settings.ts';

const TOPIC = 'delivery_log';
const PARTITIONS = 4;
const SHORT_SEED = 1;

const { values } = parseArgs({
  options: { short: { type: 'boolean', default: false }, seed: { type: 'string' }, only: { type: 'string' } },
});

const cleanups: (() => Promise<unknown>)[] = [];
let ending: Promise<void> | null = null;

function cleanUp(): Promise<void> {
  ending ??= (async () => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => undefined);
  })();
  return ending;
}

async function main(): Promise<number> {
  const python = await ensurePython('schemathesis');
  const stack = await startStack({ name: `api-${process.pid}`, tied: true });
  cleanups.push(() => stack.stop({ wipe: true }));
  const receiver = await Receiver.start({
    storeBodies: false,
    keep: 1_000,
    answer: ({ webhookId }) => ({ status: webhookId.endsWith('7') ? 400 : 200 }),
  });
  cleanups.push(() => receiver.close());
  const writer = await LogWriter.open(stack.brokers);
  cleanups.push(() => writer.close());
  await writer.createTopic(TOPIC, PARTITIONS);
  const apiKey = randomBytes(24).toString('hex');
  const instance = new Instance({
    name: 'api',
    port: await freePort(),
    apiKey,
    databaseUrl: stack.databaseUrl,
    brokers: stack.brokers,
    topics: [TOPIC],
    logDir: stack.dir,
    // Nobody is asked for a proof at the URLs that the tester makes up.
    env: { REPRISE_WEBHOOK_PROOF: 'off' },
  });
  cleanups.push(() => instance.stop());
  await instance.ready();
  const place = { instance, writer, topic: TOPIC, partitions: PARTITIONS, receiverUrl: receiver.url };
  const config = join(stack.dir, 'schemathesis.toml');
  const seeded = await seed(place);
  writeFileSync(config, settingsOf(seeded, receiver.url));
  const number = Number(values.seed ?? (values.short ? SHORT_SEED : randomInt(2 ** 31)));
  const code = await runTester(python, config, instance.url, number, {
    REPRISE_API_KEY: apiKey,
    REPRISE_TESTER_SEED: JSON.stringify(seeded),
  });
  const failures = instance.log.split('\n').filter((line) => line.includes('"http.failed"'));
  for (const line of failures.slice(0, 20)) console.error(line);
  console.log(`seed ${number}; ${failures.length} unexpected errors in the instance's log`);
  return code !== 0 || failures.length > 0 ? 1 : 0;
}

async function runTester(
  python: string,
  config: string,
  url: string,
  number: number,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const only = values.only === undefined ? [] : ['--include-path-regex', values.only];
  const words = wordsOf({ short: values.short, seed: number });
  const child = spawn(
    python,
    [
      ...['-m', 'schemathesis.cli', '--config-file', config, 'run', `${url}/v1/openapi.json`],
      ...words,
      ...only,
    ],
    {
      cwd: dirname(config),
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env, NO_COLOR: '1', PYTHONUNBUFFERED: '1' },
    },
  );
  cleanups.push(() => {
    child.kill();
    return Promise.resolve();
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}
let status = 1;
try {
  status = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
}
await cleanUp();
process.exit(status);
