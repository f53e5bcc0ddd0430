// Jobs of one partition at a time in one instance: what they fetch from the broker together, beside what one alone
// fetches. Each job is its own webhook with about 1 % of the records of a log that Kafka's own Java producer wrote
// (1 KB values, snappy). Bytes are the instance's own counter of what it fetched, scraped before and after.
// Targets: 16 equal jobs fetch at most 1.3 x the bytes of one; 8 fast ones beside 8 capped ones at most 2.3 x, and
// the fast ones take at most 1.15 x their time without the capped ones.

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { fixed, percentile, table } from './figures.ts';
import { cpuMicros } from './process-watch.ts';
import { lookAt, requestReplay, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';

const TOPIC = 'jobs_sharing';
const RECORDS = 300_000;
const KEYS = 100;
const KEY_PREFIX = 'bench-share-';
const VALUE_BYTES = 1_000;
const HOUR_MS = 3_600_000;
const COUNTS = [1, 4, 16, 64];
const POOL_SIZE = 80;
const FAST = 8;
const CAPPED = { jobs: 8, maxRate: 100 };
const LOOK_MS = 50;
const DEADLINE_MS = 300_000;
/** So that reading is what is measured, not the cap of each webhook. */
const ENV = { REPRISE_MAX_RATE: '50000', REPRISE_POOL_SIZE: String(POOL_SIZE) };
const BYTES = 'reprise_read_bytes_total';
const ENDED = ['COMPLETED', 'CANCELLED', 'FAILED'];

interface Scene {
  readonly instance: Instance;
  readonly webhooks: readonly string[];
  readonly range: { readonly fromMs: number; readonly toMs: number };
}

interface Job {
  readonly webhook: string;
  readonly maxRate?: number;
}

interface Run {
  readonly name: string;
  readonly bytes: number;
  readonly cpuMs: number;
  readonly delivered: number;
  /** Of each job, from the request to its end as the database has it, in the order asked for. */
  readonly tookMs: readonly number[];
}

export async function sharing(rig: Rig, say: (line: string) => void): Promise<void> {
  const range = await writeLog(rig, say);
  const receiver = await rig.receiver();
  const instance = await rig.instance('jobs-sharing', TOPIC, ENV);
  const webhooks: string[] = [];
  for (let n = 1; n <= Math.max(...COUNTS); n++) {
    webhooks.push(await webhookAt(instance, receiver.url, { key: `${KEY_PREFIX}${n}` }));
  }
  const scene = { instance, webhooks, range };
  // What an instance does once in its life is not the first job's.
  await run(scene, 'warm', jobsOf(scene, 0, 1));
  const equal: Run[] = [];
  for (const count of COUNTS) {
    say(`${count} equal jobs ...`);
    equal.push(await run(scene, `${count} equal`, jobsOf(scene, 0, count)));
  }
  say(`${FAST} fast jobs alone ...`);
  const alone = await run(scene, `${FAST} fast alone`, jobsOf(scene, 0, FAST));
  say(`${FAST} fast jobs beside ${CAPPED.jobs} capped at ${CAPPED.maxRate}/s ...`);
  const capped = jobsOf(scene, FAST, CAPPED.jobs).map((job) => ({ ...job, maxRate: CAPPED.maxRate }));
  const beside = await run(scene, `${FAST} fast beside ${CAPPED.jobs} capped`, [
    ...jobsOf(scene, 0, FAST),
    ...capped,
  ]);
  await instance.stop();
  say(report(equal, alone, beside));
}

async function writeLog({ stack: { brokers } }: Rig, say: (line: string) => void): Promise<Scene['range']> {
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(TOPIC, 1);
  await writer.close();
  say(`writing ${fixed(RECORDS)} records ...`);
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const fromMs = toMs - 2 * HOUR_MS;
  await generateWithJava(
    { brokers, topic: TOPIC, compression: 'snappy' },
    { records: RECORDS, keys: KEYS, keyPrefix: KEY_PREFIX, valueBytes: VALUE_BYTES, fromMs, toMs },
  );
  return { fromMs, toMs };
}

const jobsOf = ({ webhooks }: Scene, from: number, count: number): Job[] =>
  webhooks.slice(from, from + count).map((webhook) => ({ webhook }));

/** Asks for all jobs at once and waits for the end of each. */
async function run({ instance, range }: Scene, name: string, jobs: readonly Job[]): Promise<Run> {
  const bytesBefore = await bytesFetched(instance);
  const cpuBefore = cpuMicros(instance.pid);
  const ids = await Promise.all(
    jobs.map(({ webhook, maxRate }) =>
      requestReplay(instance, webhook, range, maxRate === undefined ? {} : { maxRate }),
    ),
  );
  const ended = await Promise.all(ids.map((id) => tookOf(instance, id)));
  return {
    name,
    bytes: (await bytesFetched(instance)) - bytesBefore,
    cpuMs: (cpuMicros(instance.pid) - cpuBefore) / 1_000,
    delivered: ended.reduce((sum, { delivered }) => sum + delivered, 0),
    tookMs: ended.map(({ tookMs }) => tookMs),
  };
}

async function tookOf(instance: Instance, id: string): Promise<{ tookMs: number; delivered: number }> {
  const until = performance.now() + DEADLINE_MS;
  for (;;) {
    const replay = (await lookAt(instance, id)) as unknown as {
      readonly state: string;
      readonly outcome: string | null;
      readonly createdAt: string;
      readonly updatedAt: string;
      readonly counts: { readonly delivered: number };
    };
    if (replay.state === 'COMPLETED' && replay.outcome === 'complete') {
      const tookMs = Date.parse(replay.updatedAt) - Date.parse(replay.createdAt);
      if (Number.isNaN(tookMs)) throw new Error(`replay ${id} tells no times: ${JSON.stringify(replay)}`);
      return { tookMs, delivered: replay.counts.delivered };
    }
    if (ENDED.includes(replay.state) || performance.now() > until) {
      throw new Error(`replay ${id} is not complete: ${JSON.stringify(replay)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS * 4));
  }
}

/** The counter over all sources. */
async function bytesFetched(instance: Instance): Promise<number> {
  const text = await (await fetch(`${instance.url}/metrics`)).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`${BYTES}{`) || line.startsWith(`${BYTES} `))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  if (!text.includes(`# TYPE ${BYTES} `)) throw new Error(`/metrics has no ${BYTES}`);
  return values.reduce((sum, value) => sum + value, 0);
}

function report(equal: readonly Run[], alone: Run, beside: Run): string {
  const one = equal[0]?.bytes ?? NaN;
  const ratio = (run: Run): number => run.bytes / one;
  const row = (run: Run, tookMs: readonly number[] = run.tookMs, name = run.name): string[] => [
    name,
    ...[run.bytes / 2 ** 20, percentile(tookMs, 0), percentile(tookMs, 0.5), percentile(tookMs, 1)].map(
      (value) => fixed(value),
    ),
    fixed(run.delivered),
    fixed(run.cpuMs),
    `${fixed(ratio(run), 2)} x`,
  ];
  const fast = beside.tookMs.slice(0, FAST);
  const slower = percentile(fast, 0.5) / percentile(alone.tookMs, 0.5);
  const sixteen = equal.find(({ tookMs }) => tookMs.length === 16);
  const verdict = (value: number, limit: number): string =>
    `${fixed(value, 2)} x, target <= ${limit} x: ${value <= limit ? 'holds' : '**does not hold**'}`;
  return [
    `## Jobs of one partition in one instance, ${fixed(RECORDS)} records of ${fixed(VALUE_BYTES)} bytes, 1 % wanted by each`,
    table([
      ['jobs', 'fetched MiB', 'job min ms', 'median ms', 'max ms', 'delivered', 'CPU ms', 'bytes of one'],
      ...equal.map((run) => row(run)),
      row(alone),
      row(beside, fast, `${beside.name}: the fast`),
      row(beside, beside.tookMs.slice(FAST), `${beside.name}: the capped`),
    ]),
    `16 equal jobs fetch ${sixteen ? verdict(ratio(sixteen), 1.3) : '-'}`,
    `${FAST} fast beside ${CAPPED.jobs} capped fetch ${verdict(ratio(beside), 2.3)}; the fast ones take ${verdict(slower, 1.15)}`,
  ].join('\n\n');
}
