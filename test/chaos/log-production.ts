// Writes the planned log with Kafka's own Java producer, in rounds of another codec each: ours into both topics,
// a flood of others' events between, and at the end of each round a transaction that is aborted (its events
// look like ours and belong to nobody).

import { generateWithJava, produceWithJava } from '../../scripts/stack/java-producer.ts';
import type { Compression, JavaRecord } from '../../scripts/stack/java-producer.ts';
import { LogWriter } from '../support/log-writer.ts';
import type { LogPlan } from './log-plan.ts';

export interface Production {
  readonly brokers: string;
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly plan: LogPlan;
  readonly seed: number;
  /** Records of others, besides those of the plan. */
  readonly noise: number;
}

const ROUNDS: readonly Compression[] = ['snappy', 'zstd', 'lz4'];
/** Noise and aborted events are of the last minute before the place where they are written: within the slack. */
const NOISE_MS = 60_000;

/** Resolves to the number of records written. */
export async function produceLog(production: Production): Promise<number> {
  const { brokers, topics, partitions, plan } = production;
  const writer = await LogWriter.open(brokers);
  for (const topic of topics) await writer.createTopic(topic, partitions);
  await writer.close();
  let written = 0;
  for (const [round, compression] of ROUNDS.entries()) {
    const first = Math.floor((plan.records.length * round) / ROUNDS.length);
    const last = Math.floor((plan.records.length * (round + 1)) / ROUNDS.length);
    const part = plan.records.slice(first, last);
    const placed = await Promise.all(
      topics.map((topic, index) =>
        produceWithJava(
          { brokers, topic, compression, config: { 'batch.size': '8192' } },
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
  { brokers, topics, seed, noise: count }: Production,
  { round, compression, placeMs }: Round & { readonly compression: Compression },
): Promise<number> {
  const { records } = await generateWithJava(
    { brokers, topic: topics[round % topics.length] ?? '', compression },
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

async function abortedTransaction(
  { brokers, topics, plan }: Production,
  { round, placeMs }: Round,
): Promise<number> {
  const records: JavaRecord[] = plan.webhooks.flatMap(({ key }, index) =>
    Array.from({ length: 20 }, (_, count) => ({
      key,
      timestampMs: placeMs - (count * NOISE_MS) / 20,
      value: JSON.stringify({ for_user_id: key, event: `aborted-${round}-${index}-${count}` }),
      headers: { 'event-id': `aborted-${round}-${index}-${count}` },
    })),
  );
  const topic = topics[round % topics.length] ?? '';
  await produceWithJava({ brokers, topic, transaction: { id: `chaos-${round}`, end: 'abort' } }, records);
  return records.length;
}
