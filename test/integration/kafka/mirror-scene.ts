// Two topics of the real broker that play an upstream and its mirrored copy. The test is the mirror: it keeps
// partition, order, key, value, headers and time, and writes other offsets, as MirrorMaker does.

import { randomUUID } from 'node:crypto';
import type { Message } from 'kafkajs';
import type { KafkaConnection } from '../../../src/kafka/client.ts';
import { Connections } from '../../../src/kafka/connections.ts';
import { CopyProver } from '../../../src/kafka/mirror/prove-copy.ts';
import { admin, atEnd, becomes, brokers, createTopic, message, producer, T } from './cluster.ts';

/** One record per batch, so that each offset is a batch of its own. */
export async function write(topic: string, messages: readonly Message[]): Promise<void> {
  const to = await producer();
  for (const one of messages) await to.send({ topic, messages: [one] });
}

export async function deleteBefore(topic: string, offset: number): Promise<void> {
  const to = await admin();
  await to.fetchTopicOffsets(topic); // KafkaJS looks for the leader before it knows the topic
  await to.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
}

/** A transaction's end is answered before its marker is written. */
export async function untilEnds(topic: string, end: number): Promise<void> {
  await becomes(async () => {
    const [found] = await (await admin()).fetchTopicOffsets(topic);
    if (found?.high !== String(end)) throw new Error(`the log ends at ${found?.high}`);
  });
}

/** What is fetched through it, but for single batches. */
function noting(connections: Connections, fetched: number[]): Pick<Connections, 'use'> {
  return {
    use: (topic, from, work) =>
      connections.use(topic, from, (connection, partitions) => {
        const noted: Partial<KafkaConnection> = {
          offsetAt: (...asked) => connection.offsetAt(...asked),
          fetch: (request) => {
            if (request.maxBytes > 1) fetched.push(request.offset);
            return connection.fetch(request);
          },
        };
        return work(noted as KafkaConnection, partitions);
      }),
  };
}

export interface Scene {
  readonly topic: string;
  readonly copyTopic: string;
  readonly alias: string;
  readonly upstreamSite: Connections;
  readonly copySite: Connections;
  /** Offsets of the copy that the search fetched from. */
  readonly fetched: number[];
  readonly prover: (fromMs?: number) => CopyProver;
}

export async function openScene(
  settings: Record<string, string> = {},
  upstreamBrokers: readonly string[] = brokers,
  partitions = 1,
): Promise<Scene> {
  const alias = `dc-${randomUUID().slice(0, 8)}`;
  const topic = `log-${randomUUID()}`;
  const copyTopic = `${alias}.${topic}`;
  await createTopic(topic, partitions, settings);
  await createTopic(copyTopic, partitions);
  const upstreamSite = new Connections({ name: 'dc2', brokers: upstreamBrokers, topics: [topic] });
  const copySite = new Connections({ name: 'dc1', brokers, topics: [copyTopic] });
  atEnd(() => upstreamSite.close());
  atEnd(() => copySite.close());
  const fetched: number[] = [];
  const prover = (fromMs = T - 1000): CopyProver =>
    new CopyProver(
      {
        upstream: { site: 'dc2', topic, connections: upstreamSite },
        copy: { site: 'dc1', topic: copyTopic, connections: noting(copySite, fetched) },
        partition: 0,
      },
      fromMs,
    );
  return { topic, copyTopic, alias, upstreamSite, copySite, fetched, prover };
}

export const events = (from: number, to: number): Message[] =>
  Array.from({ length: to - from }, (_, i) => message(`event ${from + i}`, from + i));
/** The copy's offsets are not the upstream's. */
export const older = [message('older', -500), message('old', -400)];
