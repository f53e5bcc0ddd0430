// npm run demo: the main job on real parts, with a SIGKILL in the middle. Everything it needs is started here
// and ended here: a private Kafka broker and MariaDB, a webhook receiver, and instances of Reprise.
// Exit 0 only when the receiver has each missed event, nothing else, and no more repeats than promised.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Instance } from '../../test/support/instance.ts';
import { LogWriter } from '../../test/support/log-writer.ts';
import { Receiver } from '../../test/support/receiver.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { freePort } from '../../test/support/ports.ts';
import { startStack } from '../stack/stack.ts';
import type { Stack } from '../stack/stack.ts';
import { ProgressLine } from './progress-line.ts';
import { tell } from './story.ts';
import type { Story } from './story.ts';
import { judge } from './verdict.ts';

const TOPIC = 'delivery_log';
const PARTITIONS = 4;
const MISSED = 20_000;
/** Killed when this share of the events is delivered. */
const KILL_AT = 0.4;
const POLL_MS = 200;
const GIVE_UP_MS = 120_000;

interface Job {
  readonly state: string;
  readonly outcome: string | null;
  readonly rate: number;
  readonly etaMs: number | null;
  readonly duplicateBound: number;
  readonly fence: number;
  readonly owner: string | null;
  readonly counts: Readonly<Record<string, number>>;
}

const line = new ProgressLine();
const cleanups: (() => Promise<unknown>)[] = [];

async function demo(): Promise<number> {
  const startedAt = performance.now();
  line.say('starting a private Kafka broker and a private MariaDB ...');
  const stack = await startStack({ name: 'demo', tied: true });
  cleanups.push(() => stack.stop({ wipe: true }));
  line.say(`  ready after ${seconds(startedAt)} s: Kafka ${stack.brokers}, MariaDB`);

  const received = new Map<string, number>();
  const receiver = await Receiver.start({
    storeBodies: false,
    trackIds: false,
    keep: 10,
    answer: ({ webhookId, headers }) => {
      if (headers['reprise-job-id']) received.set(webhookId, (received.get(webhookId) ?? 0) + 1);
      return { status: 200 };
    },
  });
  cleanups.push(() => receiver.close());

  const writer = await LogWriter.open(stack.brokers);
  await writer.createTopic(TOPIC, PARTITIONS);
  const apiKey = randomBytes(24).toString('hex');
  const first = await startInstance('a', stack, apiKey);
  line.say(`instance a is ready (${first.url})`);

  const { id, others } = await registerWebhooks(first, receiver.url);
  const story = tell(id, partitionOf(id, PARTITIONS), others, MISSED, Date.now());
  await writeLog(writer, story);
  await writer.close();
  await outage(receiver, story);

  const requestedAt = performance.now();
  const replay = await first.call<{ id: string }>('POST', `/v1/webhooks/${id}/replays`, {
    from: new Date(story.fromMs).toISOString(),
    to: new Date(story.toMs).toISOString(),
  });
  if (replay.status !== 202)
    throw new Error(`the API answered ${replay.status}: ${JSON.stringify(replay.body)}`);
  line.say(`POST /v1/webhooks/${id}/replays -> 202, replay ${replay.body.id}`);

  await follow(first, replay.body.id, (job) => delivered(job) >= MISSED * KILL_AT || isOver(job));
  await first.kill();
  line.say(`kill -9 of instance a after ${received.size} events; starting instance b`);
  const second = await startInstance('b', stack, apiKey);
  const job = await follow(second, replay.body.id, isOver);
  line.say(
    `replay ${job.state} (${job.outcome ?? 'no outcome'}) under fence ${job.fence} after ${seconds(requestedAt)} s`,
  );
  await second.stop();

  const verdict = judge(story.missed, received, job.duplicateBound, job);
  for (const fault of verdict.faults) line.say(`wrong: ${fault}`);
  line.say(verdict.line);
  return verdict.faults.length === 0 ? 0 : 1;
}

async function startInstance(name: string, stack: Stack, apiKey: string): Promise<Instance> {
  const instance = new Instance({
    name,
    port: await freePort(),
    apiKey,
    databaseUrl: stack.databaseUrl,
    brokers: stack.brokers,
    topics: [TOPIC],
    logDir: join(stack.dir, 'instances'),
    // Short leases, so that the reclaim of the demo takes seconds.
    env: { REPRISE_LEASE_MS: '4000', REPRISE_HEARTBEAT_INTERVAL_MS: '500' },
  });
  cleanups.push(() => instance.kill());
  return instance.ready();
}

async function registerWebhooks(instance: Instance, url: string): Promise<{ id: string; others: string[] }> {
  const ids: string[] = [];
  for (const description of ['ours', 'neighbour 1', 'neighbour 2', 'neighbour 3']) {
    const { status, body } = await instance.call<{ id: string }>('POST', '/v1/webhooks', {
      url,
      description,
    });
    if (status !== 201) throw new Error(`a webhook was refused with ${status}: ${JSON.stringify(body)}`);
    ids.push(body.id);
  }
  const [id = '', ...others] = ids;
  return { id, others };
}

async function writeLog(writer: LogWriter, story: Story): Promise<void> {
  const startedAt = performance.now();
  await writer.write(TOPIC, story.records);
  line.say(
    `wrote ${story.records.length} records on one partition in ${seconds(startedAt)} s: ` +
      `${story.missed.size} events of ours, ${story.duplicates} duplicates, ${story.neighbours} of neighbours`,
  );
}

/** The receiver is down, a live delivery fails, and it comes back: from now on only a replay can help. */
async function outage(receiver: Receiver, story: Story): Promise<void> {
  await receiver.down();
  const refused = await fetch(receiver.url, { method: 'POST', body: '{}' }).then(
    () => false,
    () => true,
  );
  if (!refused) throw new Error('the receiver should have been down');
  await receiver.up();
  const [from, to] = [story.fromMs, story.toMs].map((ms) => new Date(ms).toISOString());
  line.say(`the receiver was down from ${from ?? ''} to ${to ?? ''} and is back`);
}

const delivered = (job: Job): number => job.counts['delivered'] ?? 0;
const isOver = (job: Job): boolean => ['COMPLETED', 'CANCELLED', 'FAILED', 'PAUSED'].includes(job.state);
const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1);

/** Shows the progress until `until` holds. */
async function follow(instance: Instance, id: string, until: (job: Job) => boolean): Promise<Job> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    const { status, body: job } = await instance.call<Job>('GET', `/v1/replays/${id}`);
    if (status !== 200) throw new Error(`GET /v1/replays/${id} answered ${status}`);
    const eta = job.etaMs === null ? '' : `, ETA ${Math.ceil(job.etaMs / 1_000)} s`;
    const rate = Math.round(job.rate).toLocaleString('en');
    line.show(
      `${job.state.padEnd(9)} ${delivered(job).toLocaleString('en')} of ${MISSED.toLocaleString('en')} events, ${rate}/s${eta}`,
    );
    if (until(job)) return job;
    if (performance.now() > deadline) throw new Error(`the replay did not move on: ${JSON.stringify(job)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

let ending: Promise<void> | null = null;
/** Ends all that was started, newest first; once. */
function cleanUp(): Promise<void> {
  ending ??= (async () => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => undefined);
  })();
  return ending;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}

let code = 1;
try {
  code = await demo();
} catch (error) {
  line.say(`wrong: ${error instanceof Error ? error.message : String(error)}`);
}
await cleanUp();
process.exit(code);
