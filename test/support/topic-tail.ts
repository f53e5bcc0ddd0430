// What a topic holds and goes on to hold, as a reader of committed records sees it: its records in order, per
// partition, until somebody has seen enough.

import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';
import type { Consumer } from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
const DEADLINE_MS = 60_000;

export interface TailRecord {
  readonly partition: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  /** A header that stands several times has all its values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

export class TopicTail {
  readonly records: TailRecord[] = [];
  readonly #topic: string;
  readonly #consumer: Consumer;
  #crash: Error | null = null;

  private constructor(topic: string, consumer: Consumer) {
    this.#topic = topic;
    this.#consumer = consumer;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#crash = payload.error;
    });
  }

  /** Reads from the topic's beginning; the topic must exist. `keepsOnly`: the records of one key, of a long log. */
  static async open(
    brokers: string,
    topic: string,
    { keepsOnly }: { readonly keepsOnly?: string } = {},
  ): Promise<TopicTail> {
    const kafka = new Kafka({
      clientId: 'reprise-topic-tail',
      brokers: brokers.split(','),
      logLevel: logLevel.NOTHING,
      connectionTimeout: 10_000,
    });
    const consumer = kafka.consumer({
      groupId: `tail-${randomBytes(6).toString('hex')}`,
      allowAutoTopicCreation: false,
      maxBytesPerPartition: 16 * 1024 * 1024,
      maxWaitTimeInMs: 200,
    });
    const tail = new TopicTail(topic, consumer);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ partition, message }) => {
        const { key, value, timestamp } = message;
        if (keepsOnly !== undefined && String(key) !== keepsOnly) return Promise.resolve();
        const headers = Object.entries(message.headers ?? {}).map(([name, values]) => {
          return [name, [values ?? []].flat().map((each) => each.toString())];
        });
        tail.records.push({
          partition,
          key: key === null ? null : key.toString(),
          value,
          timestampMs: Number(timestamp),
          headers: Object.fromEntries(headers) as TailRecord['headers'],
        });
        return Promise.resolve();
      },
    });
    return tail;
  }

  /** The records' values as text. */
  get texts(): readonly string[] {
    return this.records.map(({ value }) => String(value));
  }

  /** Waits until a record with this value was read. */
  async untilSeen(text: string): Promise<this> {
    const until = performance.now() + DEADLINE_MS;
    while (!this.texts.includes(text)) {
      if (this.#crash) throw this.#crash;
      if (performance.now() > until) {
        const seen = this.texts.map((each) => each.slice(0, 40)).slice(-20);
        throw new Error(`${this.#topic} has no record "${text}", but ${seen.join(', ')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this;
  }

  close(): Promise<void> {
    return this.#consumer.disconnect();
  }
}
