// npm run dev: a stack, the server, a webhook and sample data to play with; stays up until Ctrl-C.

import { randomBytes } from 'node:crypto';
import { partitionOf } from '../src/domain/partitioner.ts';
import { Instance } from '../test/support/instance.ts';
import { LogWriter } from '../test/support/log-writer.ts';
import { freePort } from '../test/support/ports.ts';
import { Receiver } from '../test/support/receiver.ts';
import { tell } from './demo/story.ts';
import { startStack } from './stack/stack.ts';

const TOPIC = 'delivery_log';
const PARTITIONS = 4;
const EVENTS = 5_000;

const cleanups: (() => Promise<unknown>)[] = [];
let ending: Promise<void> | null = null;

function cleanUp(): Promise<void> {
  ending ??= (async () => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => undefined);
  })();
  return ending;
}

async function main(): Promise<void> {
  console.log('starting a private Kafka broker and a private MariaDB ...');
  const stack = await startStack({ name: 'dev-server', tied: true });
  cleanups.push(() => stack.stop({ wipe: true }));
  const receiver = await Receiver.start({ storeBodies: false, keep: 1_000 });
  cleanups.push(() => receiver.close());
  const writer = await LogWriter.open(stack.brokers);
  await writer.createTopic(TOPIC, PARTITIONS);
  const apiKey = randomBytes(24).toString('hex');
  const instance = new Instance({
    name: 'dev',
    port: await freePort(),
    apiKey,
    databaseUrl: stack.databaseUrl,
    brokers: stack.brokers,
    topics: [TOPIC],
    logDir: stack.dir,
  });
  cleanups.push(() => instance.stop());
  await instance.ready();
  const { body } = await instance.call<{ id: string }>('POST', '/v1/webhooks', {
    url: receiver.url,
    description: 'sample webhook',
  });
  const story = tell(body.id, partitionOf(body.id, PARTITIONS), ['neighbour'], EVENTS, Date.now());
  await writer.write(TOPIC, story.records);
  await writer.close();
  const range = JSON.stringify({
    from: new Date(story.fromMs).toISOString(),
    to: new Date(story.toMs).toISOString(),
  });
  console.log(`
server     ${instance.url}   (log: ${instance.logFile})
database   ${stack.databaseUrl}
kafka      ${stack.brokers}, topic ${TOPIC}
receiver   ${receiver.url}   (answers 200 and counts)
webhook    ${body.id}, with ${story.missed.size} events between ${range}

Replay them, then look:

  curl -s -X POST ${instance.url}/v1/webhooks/${body.id}/replays \\
    -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' -d '${range}'
  curl -s ${instance.url}/v1/replays -H 'authorization: Bearer ${apiKey}'

Ctrl-C ends everything.`);
  let told = 0;
  setInterval(() => {
    if (receiver.accepted !== told) console.log(`receiver: ${receiver.accepted} events accepted`);
    told = receiver.accepted;
  }, 1_000);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}
try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await cleanUp();
  process.exit(1);
}
