// Jobs of one partition at a time in one instance: what they fetch from the broker together, beside what one alone
// fetches. Each job is its own webhook with about 1 % of the records of a log that Kafka's own Java producer wrote
// (1 KB values, snappy). Bytes are the instance's own counter of what it fetched, scraped before and after.
// Several rounds, medians with the least and the most. Targets: 16 equal jobs fetch at most 1.3 x the bytes of one; 8 fast ones beside 8 capped ones at most 2.3 x, and
// the fast ones take at most 1.15 x their time without the capped ones.

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { fixed, median, percentile, table } from './figures.ts';
import { spread } from './peer-figures.ts';
import { readOptions, wholeNumber } from './options.ts';
import { cpuMicros } from './process-watch.ts';
import { lookAt, requestReplay, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';

const TOPIC = 'jobs_sharing';
const RECORDS = Number(readOptions().records ?? 300_000);
const KEYS = 100;
const KEY_PREFIX = 'bench-share-';
const VALUE_BYTES = 1_000;
const HOUR_MS = 3_600_000;
const COUNTS = [1, 4, 16, 64];
const POOL_SIZE = 80;
const FAST = 8;
const CAPPED = { jobs: 8, maxRate: 100 };
const LOOK_MS = 200;
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

/** What one round measured; the ratios are of runs of the same round. */
interface Round {
  readonly runs: readonly Run[];
  readonly sixteen: number;
  readonly besideBytes: number;
  readonly fastTime: number;
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
  const rounds: Round[] = [];
  for (let n = 1; n <= wholeNumber(readOptions().rounds); n++) rounds.push(await round(scene, n, say));
  await instance.stop();
  say(report(rounds));
}

async function round(scene: Scene, n: number, say: (line: string) => void): Promise<Round> {
  const equal: Run[] = [];
  for (const count of COUNTS) {
    say(`round ${n}: ${count} equal jobs ...`);
    equal.push(await run(scene, `${count} equal`, jobsOf(scene, 0, count)));
  }
  say(`round ${n}: ${FAST} fast jobs alone ...`);
  const alone = await run(scene, `${FAST} fast alone`, jobsOf(scene, 0, FAST));
  say(`round ${n}: ${FAST} fast jobs beside ${CAPPED.jobs} capped at ${CAPPED.maxRate}/s ...`);
  const capped = jobsOf(scene, FAST, CAPPED.jobs).map((job) => ({ ...job, maxRate: CAPPED.maxRate }));
  const both = await run(scene, '', [...jobsOf(scene, 0, FAST), ...capped]);
  const beside = `${FAST} fast beside ${CAPPED.jobs} capped`;
  return {
    runs: [
      ...equal,
      alone,
      { ...both, name: `${beside}: the fast`, tookMs: both.tookMs.slice(0, FAST) },
      { ...both, name: `${beside}: the capped`, tookMs: both.tookMs.slice(FAST) },
    ],
    sixteen: ratio(equal, 16),
    besideBytes: both.bytes / (equal[0]?.bytes ?? NaN),
    fastTime: percentile(both.tookMs.slice(0, FAST), 0.5) / percentile(alone.tookMs, 0.5),
  };
}

/** Bytes fetched by so many equal jobs beside those of one. */
const ratio = (equal: readonly Run[], jobs: number): number =>
  (equal.find(({ tookMs }) => tookMs.length === jobs)?.bytes ?? NaN) / (equal[0]?.bytes ?? NaN);

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
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
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

function report(rounds: readonly Round[]): string {
  const names = rounds[0]?.runs.map(({ name }) => name) ?? [];
  const row = (name: string, index: number): string[] => {
    const runs = rounds.flatMap(({ runs }) => runs[index] ?? []);
    const ones = rounds.map(({ runs }) => runs[0]?.bytes ?? NaN);
    const cell = (of: (run: Run) => number): string => fixed(median(runs.map(of)));
    return [
      name,
      cell(({ bytes }) => bytes / 2 ** 20),
      ...[0, 0.5, 1].map((share) => cell(({ tookMs }) => percentile(tookMs, share))),
      cell(({ delivered }) => delivered),
      cell(({ cpuMs }) => cpuMs),
      `${spread(
        runs.map(({ bytes }, n) => bytes / (ones[n] ?? NaN)),
        2,
      )} x`,
    ];
  };
  const verdict = (of: (round: Round) => number, limit: number): string => {
    const values = rounds.map(of);
    return `${spread(values, 2)} x, target <= ${limit} x: ${median(values) <= limit ? 'holds' : '**does not hold**'}`;
  };
  return [
    `## Jobs of one partition in one instance, ${fixed(RECORDS)} records of ${fixed(VALUE_BYTES)} bytes, 1 % wanted by each`,
    `Medians of ${rounds.length} rounds, in brackets the least and the most.`,
    table([
      ['jobs', 'fetched MiB', 'job min ms', 'median ms', 'max ms', 'delivered', 'CPU ms', 'bytes of one'],
      ...names.map(row),
    ]),
    `16 equal jobs fetch ${verdict(({ sixteen }) => sixteen, 1.3)}`,
    `${FAST} fast beside ${CAPPED.jobs} capped fetch ${verdict(({ besideBytes }) => besideBytes, 2.3)}; the fast ones take ${verdict(({ fastTime }) => fastTime, 1.15)}`,
  ].join('\n\n');
}
