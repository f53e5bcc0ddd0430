// From POST /v1/webhooks/{id}/replays to the first event at the receiver, on an idle instance with default
// settings: for a range in the past, and for one that ends now (its end is pinned only later; that must not
// delay the first event). The steps come from the times of the job's facts.

import { DEFAULT_TENANT, asJobId } from '../../src/domain/ids.ts';
import type { ReplayStore } from '../../src/domain/replay-store.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createReplayStore } from '../../src/store/replay-store.ts';
import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { against, fixed, percentile, table } from './figures.ts';
import type { FarReceiver } from './far-receiver.ts';
import { requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';

const TOPIC = 'first_event';
const PARTITIONS = 4;
const KEY = 'bench-first-event';
const RECORDS = 300_000;
const ROUNDS = 60;
const TARGETS_MS = { p50: 100, p99: 300 };
const HOUR_MS = 3_600_000;
const RANGE_MS = 60_000;
const FRESH = 5;
const DEADLINE_MS = 20_000;
/** Between two rounds at most: so that they do not fall into step with the instance's own intervals. */
const REST_MS = 300;

const STEPS = ['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED'] as const;

interface Round {
  readonly totalMs: number;
  /** POST sent, then each of STEPS, then the arrival; differences of the machine's wall clock. */
  readonly stepsMs: readonly number[];
}

interface Scene {
  readonly instance: Instance;
  readonly receiver: FarReceiver;
  readonly webhookId: string;
  readonly store: ReplayStore;
  readonly writer: LogWriter;
  readonly logFromMs: number;
}

export async function firstEvent(rig: Rig, say: (line: string) => void): Promise<void> {
  const { brokers, databaseUrl } = rig.stack;
  const writer = await LogWriter.open(brokers);
  rig.onClose(() => writer.close());
  await writer.createTopic(TOPIC, PARTITIONS);
  const logFromMs = Date.now() - 3 * HOUR_MS;
  say(`writing ${fixed(RECORDS)} records ...`);
  await generateWithJava(
    { brokers, topic: TOPIC, compression: 'snappy' },
    { records: RECORDS, wantedKey: KEY, fromMs: logFromMs, toMs: logFromMs + 2 * HOUR_MS, valueBytes: 500 },
  );
  const database = openDatabase({ url: databaseUrl, poolSize: 1, leaseMs: 30_000, emit: () => undefined });
  rig.onClose(() => database.close());
  const receiver = await rig.receiver();
  const instance = await rig.instance('first-event', TOPIC);
  const webhookId = await webhookAt(instance, receiver.url, { key: KEY });
  const store = createReplayStore(database);
  const scene = { instance, receiver, webhookId, store, writer, logFromMs };

  say(`${ROUNDS} rounds of a range in the past ...`);
  const past = await rounds(scene, pastRound);
  say(`${ROUNDS} rounds of a range that ends now ...`);
  const now = await rounds(scene, nowRound);
  say(report(past, now));
}

async function rounds(scene: Scene, round: (scene: Scene, n: number) => Promise<Round>): Promise<Round[]> {
  const done: Round[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    done.push(await round(scene, n));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * REST_MS));
  }
  return done;
}

async function pastRound(scene: Scene, n: number): Promise<Round> {
  const fromMs = scene.logFromMs + n * RANGE_MS;
  const { id, round } = await untilFirst(scene, { fromMs, toMs: fromMs + RANGE_MS });
  await untilEnded(scene.instance, id, 'COMPLETED', DEADLINE_MS);
  return round;
}

/** Some events of just now; cancelled after the first, because the rest of the range is waited for. */
async function nowRound(scene: Scene): Promise<Round> {
  const fromMs = Date.now();
  const events = Array.from({ length: FRESH }, (_, n) => ({
    key: KEY,
    value: `{"n":${n},"at":${fromMs}}`,
    timestampMs: fromMs + (n % 2),
  }));
  await scene.writer.write(TOPIC, events);
  const { id, round } = await untilFirst(scene, { fromMs, toMs: Math.max(Date.now(), fromMs + 2) });
  await scene.store.steer(DEFAULT_TENANT, asJobId(id), {
    type: 'CANCEL_REQUESTED',
    by: 'bench',
    why: 'seen',
  });
  await untilEnded(scene.instance, id, 'CANCELLED', DEADLINE_MS);
  return round;
}

async function untilFirst(
  { instance, receiver, webhookId, store }: Scene,
  range: { readonly fromMs: number; readonly toMs: number },
): Promise<{ id: string; round: Round }> {
  const arrival = receiver.first(DEADLINE_MS);
  const sentWallMs = Date.now();
  const sentMs = monoMs();
  const [id, first] = await Promise.all([requestReplay(instance, webhookId, range), arrival]);
  if (first.jobId !== id) throw new Error(`an event of replay ${first.jobId} came instead of one of ${id}`);
  const page = await store.transitions(DEFAULT_TENANT, asJobId(id), { limit: 100, cursor: null });
  const at = STEPS.map((type) => page?.items.find((step) => step.type === type)?.atMs ?? NaN);
  const moments = [sentWallMs, ...at, first.wallMs];
  const stepsMs = moments.slice(1).map((moment, n) => moment - (moments[n] ?? NaN));
  return { id, round: { totalMs: first.monoMs - sentMs, stepsMs } };
}

const monoMs = (): number => Number(process.hrtime.bigint()) / 1e6;

function report(past: readonly Round[], now: readonly Round[]): string {
  const row = (name: string, rounds: readonly Round[]): string[] => {
    const totals = rounds.map(({ totalMs }) => totalMs);
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(totals, share)) as [
      number,
      number,
      number,
    ];
    const first = totals[0] ?? NaN;
    return [
      name,
      ...[rounds.length, first, p50, p90, p99].map((ms) => fixed(ms)),
      against(p50, TARGETS_MS.p50, 'ms'),
      against(p99, TARGETS_MS.p99, 'ms'),
    ];
  };
  const step = (name: string, rounds: readonly Round[], share: number): string[] => [
    name,
    ...Array.from({ length: STEPS.length + 1 }, (_, n) =>
      fixed(
        percentile(
          rounds.map(({ stepsMs }) => stepsMs[n] ?? NaN),
          share,
        ),
      ),
    ),
  ];
  return [
    '## From POST to the first delivered event',
    table([
      ['range', 'rounds', 'first ms', 'p50 ms', 'p90 ms', 'p99 ms', 'target of p50', 'target of p99'],
      row('in the past', past),
      row('ends now', now),
    ]),
    'Where the time goes, each step for itself, by the times of the facts:',
    table([
      ['range', 'POST to stored ms', 'to claimed ms', 'to offsets known ms', 'to first event ms'],
      step('in the past, median', past, 0.5),
      step('in the past, p99', past, 0.99),
      step('ends now, median', now, 0.5),
      step('ends now, p99', now, 0.99),
    ]),
  ].join('\n\n');
}
