// Many jobs at a time. `tiny`: 10,000 queued jobs of a few events each, through two instances: what a job costs
// beside its events. `sharing`: jobs of one partition beside each other (jobs-sharing.ts).
// Webhooks and jobs are made by the store's own functions, before the instances start: REST is not measured here.
//   npm run bench -- jobs [--parts tiny,sharing] [--jobs 10000] [--rounds 3: of sharing]

import { randomBytes } from 'node:crypto';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { WebhookId } from '../../src/domain/ids.ts';
import { SINGLE } from '../../src/domain/message.ts';
import type { ReplayStore } from '../../src/domain/replay-store.ts';
import { openDatabase } from '../../src/store/database.ts';
import type { Database } from '../../src/store/database.ts';
import { createReplayStore } from '../../src/store/replay-store.ts';
import { statusOf } from '../../scripts/stack/stack.ts';
import { SPEC } from '../support/example.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import type { FarReceiver } from './far-receiver.ts';
import { fixed, table } from './figures.ts';
import { databaseVersion } from './machine.ts';
import { cpuMicros, residentMib } from './process-watch.ts';
import { sharing } from './jobs-sharing.ts';
import { endedJobs, jobTimes, ServerCount } from './jobs-figures.ts';
import type { Ended, JobTimes, Statements } from './jobs-figures.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import type { Rig } from './rig.ts';

/** Refused nowhere else: main.ts takes them for all benches. */
const TOPIC = 'jobs';
const PARTITIONS = 16;
const EVENTS = 5;
const INSTANCES = 2;
/** The default, and one that leaves the database something to do while jobs wait for the broker. */
const POOL_SIZES = [16, 64] as const;
/** Far enough apart that a job reads its own stretch of a partition and not all of it. */
const SPAN_MS = 48 * 3_600_000;
const RANGE_MS = 60_000;
const AGE_MS = 3_600_000;
const WRITERS = 16;
const LOOK_MS = 250;
const DEADLINE_MS = 600_000;

type Say = (line: string) => void;

interface Queue {
  readonly store: ReplayStore;
  readonly database: Database;
  readonly webhooks: readonly { readonly id: WebhookId; readonly fromMs: number }[];
}

interface Run {
  readonly poolSize: number;
  readonly jobs: number;
  readonly seconds: number;
  readonly instancesCpuMs: number;
  readonly databaseCpuMs: number;
  readonly brokerCpuMs: number;
  readonly statements: Statements;
  readonly times: JobTimes;
  readonly peaksMib: readonly number[];
}

export async function jobs(rig: Rig, say: Say): Promise<void> {
  const { parts: asked, jobs: count } = readOptions();
  const parts = chosen(asked, ['tiny', 'sharing']);
  if (parts.includes('tiny')) await tiny(rig, wholeNumber(count), say);
  if (parts.includes('sharing')) await sharing(rig, say);
}

async function tiny(rig: Rig, count: number, say: Say): Promise<void> {
  const toMs = Math.floor((Date.now() - AGE_MS) / 1_000) * 1_000;
  const starts = Array.from(
    { length: count },
    (_, n) => toMs - SPAN_MS + Math.floor((n * SPAN_MS) / count / 1_000) * 1_000,
  );
  say(`writing ${fixed(count * EVENTS)} events of ${fixed(count)} webhooks ...`);
  await writeLog(rig, starts);
  const receiver = await rig.receiver();
  const database = openDatabase({
    url: rig.stack.databaseUrl,
    poolSize: WRITERS,
    leaseMs: 30_000,
    emit: () => undefined,
  });
  rig.onClose(() => database.close());
  await database.migrate();
  const store = createReplayStore(database);
  say(`registering ${fixed(count)} webhooks ...`);
  const webhooks = await inParallel(starts, async (fromMs, n) => {
    const made = await store.createWebhook(DEFAULT_TENANT, {
      ...{ url: receiver.url, key: keyOf(n), description: '', maxRate: null, concurrency: null },
      ...{ delivery: SINGLE, secret: `whsec_${randomBytes(32).toString('base64')}` },
    });
    if (made === 'key_taken') throw new Error(`key ${keyOf(n)} was taken`);
    return { id: made.id, fromMs };
  });
  const queue = { store, database, webhooks };
  const runs: Run[] = [];
  for (const poolSize of POOL_SIZES) runs.push(await workOff(rig, queue, receiver, poolSize, say));
  say(report(await databaseVersion(rig.stack.databaseUrl), runs));
}

const keyOf = (n: number): string => `bench-job-${n}`;

async function writeLog({ stack: { brokers } }: Rig, starts: readonly number[]): Promise<void> {
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(TOPIC, PARTITIONS);
  const events = starts.flatMap((fromMs, n) =>
    Array.from({ length: EVENTS }, (_, event) => ({
      key: keyOf(n),
      value: `{"job":${n},"event":${event},"text":"${'x'.repeat(150)}"}`,
      timestampMs: fromMs + event * 1_000,
    })),
  );
  await writer.write(TOPIC, events);
  await writer.close();
}

/** Asks for one job per webhook, then lets `INSTANCES` of them work all of these off. */
async function workOff(
  rig: Rig,
  { store, database, webhooks }: Queue,
  receiver: FarReceiver,
  poolSize: number,
  say: Say,
): Promise<Run> {
  say(`queueing ${fixed(webhooks.length)} jobs ...`);
  const before = await receiver.totals();
  const ids = await inParallel(webhooks, async ({ id, fromMs }) => {
    const job = await store.requestReplay(DEFAULT_TENANT, id, specOf(fromMs), 'bench');
    if (job === 'no_webhook') throw new Error(`no webhook ${id}`);
    return job.id;
  });
  const first = ids.reduce((low, id) => (BigInt(id) < BigInt(low) ? id : low));
  say(`${INSTANCES} instances with pools of ${poolSize} ...`);
  const pids = statusOf(rig.stack.name).running;
  const servers = [pidOf(pids, /^database/), pidOf(pids, /^kafka/)] as const;
  const cpuBefore = servers.map(cpuMicros);
  const count = await ServerCount.open(rig.stack.rootDatabaseUrl);
  const startedMs = performance.now();
  const instances: Instance[] = [];
  for (let n = 0; n < INSTANCES; n++) {
    instances.push(
      await rig.instance(`jobs-${poolSize}-${n}`, TOPIC, { REPRISE_POOL_SIZE: String(poolSize) }),
    );
  }
  const ended = await untilAllEnded(database, first, ids.length, startedMs);
  const seconds = (performance.now() - startedMs) / 1_000;
  const statements = await count.close();
  const instancesCpu = instances.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
  const [databaseCpu = NaN, brokerCpu = NaN] = servers.map(
    (pid, n) => cpuMicros(pid) - (cpuBefore[n] ?? NaN),
  );
  const peaksMib = instances.map(({ pid }) => residentMib(pid, 'VmHWM'));
  const times = await jobTimes(database, first);
  for (const instance of instances) await instance.stop();
  await demandExactlyOnce(receiver, before, ended, ids.length);
  return {
    ...{ poolSize, jobs: ids.length, seconds, statements, times, peaksMib },
    instancesCpuMs: instancesCpu / 1_000,
    databaseCpuMs: databaseCpu / 1_000,
    brokerCpuMs: brokerCpu / 1_000,
  };
}

const specOf = (fromMs: number) => ({ ...SPEC, fromMs, toMs: fromMs + RANGE_MS });

function pidOf(running: Readonly<Record<string, number | undefined>>, name: RegExp): number {
  const pid = Object.entries(running).find(([key]) => name.test(key))?.[1];
  if (pid === undefined) throw new Error(`the stack runs no ${name.source}`);
  return pid;
}

async function untilAllEnded(db: Database, first: string, jobs: number, startedMs: number): Promise<Ended> {
  for (;;) {
    const ended = await endedJobs(db, first);
    if (ended.live === 0) return ended;
    if (performance.now() - startedMs > DEADLINE_MS) {
      throw new Error(`${ended.live} of ${jobs} jobs have not ended`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The receiver knows ids of both runs; each run sends the same ones once. */
async function demandExactlyOnce(
  receiver: FarReceiver,
  before: { readonly accepted: number },
  { complete, delivered }: Ended,
  jobs: number,
): Promise<void> {
  const { accepted, distinct } = await receiver.totals();
  const got = { complete, delivered, accepted: accepted - before.accepted, distinct };
  const due = { complete: jobs, delivered: jobs * EVENTS, accepted: jobs * EVENTS, distinct: jobs * EVENTS };
  if (JSON.stringify(got) !== JSON.stringify(due)) {
    throw new Error(`not each event exactly once: ${JSON.stringify(got)} instead of ${JSON.stringify(due)}`);
  }
}

async function inParallel<Item, Done>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Done>,
): Promise<Done[]> {
  const done: Done[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < items.length; n = next++) done[n] = await work(items[n] as Item, n);
  };
  await Promise.all(Array.from({ length: WRITERS }, worker));
  return done;
}

function report(version: string, runs: readonly Run[]): string {
  const per = (run: Run, value: number, digits = 2): string => fixed(value / run.jobs, digits);
  const head = ['two instances', ...runs.map(({ poolSize }) => `pools of ${poolSize}`)];
  const row = (name: string, cell: (run: Run) => string): string[] => [name, ...runs.map(cell)];
  return [
    `## ${fixed(runs[0]?.jobs ?? 0)} queued jobs of ${EVENTS} events each, ${PARTITIONS} partitions (${version})`,
    table([
      head,
      row('jobs/s, start of the instances included', (run) => fixed(run.jobs / run.seconds)),
      row('CPU of the instances, ms per job', (run) => per(run, run.instancesCpuMs)),
      row('CPU of the database, ms per job', (run) => per(run, run.databaseCpuMs)),
      row('CPU of the broker, ms per job', (run) => per(run, run.brokerCpuMs)),
      row('claim to COMPLETED p50, ms', (run) => fixed(run.times.p50Ms)),
      row('claim to COMPLETED p99, ms', (run) => fixed(run.times.p99Ms)),
      row('peak RSS of each, MiB', (run) => run.peaksMib.map((mib) => fixed(mib)).join(' and ')),
      row('statements per job', (run) => per(run, run.statements['Questions'] ?? NaN)),
      ...Object.keys(runs[0]?.statements ?? {})
        .filter((name) => name !== 'Questions')
        .map((name) => row(`  ${name}`, (run) => per(run, run.statements[name] ?? 0))),
    ]),
    'Every job is COMPLETED (complete), and every event came exactly once.',
  ].join('\n\n');
}
