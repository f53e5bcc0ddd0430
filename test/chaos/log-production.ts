// Writes the planned log with Kafka's own Java producer, in rounds of another codec each: ours into both places,
// a flood of others' events between, and at the end of each round a transaction that is aborted (its events
// look like ours and belong to nobody).

import { generateWithJava, produceWithJava } from '../../scripts/stack/java-producer.ts';
import type { Compression, JavaRecord } from '../../scripts/stack/java-producer.ts';
import { LogWriter } from '../support/log-writer.ts';
import type { LogPlan } from './log-plan.ts';

/** Where senders write: a topic of a cluster. */
export interface LogPlace {
  readonly brokers: string;
  readonly topic: string;
}

export interface Production {
  readonly places: readonly LogPlace[];
  readonly plan: LogPlan;
  readonly seed: number;
  /** Records of others, besides those of the plan. */
  readonly noise: number;
}

const ROUNDS: readonly Compression[] = ['snappy', 'zstd', 'lz4'];
/** Noise and aborted events are of the last minute before the place where they are written: within the slack. */
const NOISE_MS = 60_000;

export async function createTopics(places: readonly LogPlace[], partitions: number): Promise<void> {
  for (const { brokers, topic } of places) {
    const writer = await LogWriter.open(brokers);
    await writer.createTopic(topic, partitions);
    await writer.close();
  }
}

/** Resolves to the number of records written. The topics are there. */
export async function produceLog(production: Production): Promise<number> {
  const { places, plan } = production;
  let written = 0;
  for (const [round, compression] of ROUNDS.entries()) {
    const first = Math.floor((plan.records.length * round) / ROUNDS.length);
    const last = Math.floor((plan.records.length * (round + 1)) / ROUNDS.length);
    const part = plan.records.slice(first, last);
    const placed = await Promise.all(
      places.map((place, index) =>
        produceWithJava(
          { ...place, compression, config: { 'batch.size': '8192' } },
          part.filter((planned) => planned.topic === index).map(({ record }) => record),
        ),
      ),
    );
    written += placed.reduce((sum, { length }) => sum + length, 0);
    const placeMs = part.at(-1)?.placeMs ?? 0;
    written += await noise(production, { round, compression, placeMs });
    written += await abortedTransaction(production, { round, placeMs });
  }
  return written;
}

interface Round {
  readonly round: number;
  readonly placeMs: number;
}

async function noise(
  { places, seed, noise: count }: Production,
  { round, compression, placeMs }: Round & { readonly compression: Compression },
): Promise<number> {
  const { records } = await generateWithJava(
    { ...placeOf(places, round), compression },
    {
      records: Math.floor(count / ROUNDS.length),
      keys: 50,
      keyPrefix: 'neighbour-',
      fromMs: placeMs - NOISE_MS,
      toMs: placeMs,
      eventIdHeader: 'event-id',
      seed: seed + round,
    },
  );
  return records;
}

async function abortedTransaction({ places, plan }: Production, { round, placeMs }: Round): Promise<number> {
  const records: JavaRecord[] = plan.webhooks.flatMap(({ key }, index) =>
    Array.from({ length: 20 }, (_, count) => ({
      key,
      timestampMs: placeMs - (count * NOISE_MS) / 20,
      value: JSON.stringify({ for_user_id: key, event: `aborted-${round}-${index}-${count}` }),
      headers: { 'event-id': `aborted-${round}-${index}-${count}` },
    })),
  );
  const transaction = { id: `chaos-${round}`, end: 'abort' } as const;
  await produceWithJava({ ...placeOf(places, round), transaction }, records);
  return records.length;
}

function placeOf(places: readonly LogPlace[], round: number): LogPlace {
  const place = places[round % places.length];
  if (!place) throw new Error('there is no topic to write to');
  return place;
}
