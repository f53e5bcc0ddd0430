// What LogWriter does not do, through KafkaJS: records with any headers and null keys, transactions that stay open
// for as long as a test wants, and the deletion of a log's beginning (what retention does).

import kafkajs from 'kafkajs';
import type { Admin, IHeaders, Kafka, Producer, Transaction } from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';

const { Kafka: KafkaClient, CompressionCodecs, CompressionTypes, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;

export interface RawRecord {
  readonly key: string | null;
  /** null = a tombstone. */
  readonly value: string | Buffer | null;
  readonly timestampMs: number;
  /** Several: as many headers, in this order. */
  readonly eventId?: string | readonly string[];
  /** Beside it, by their names. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Default: Kafka's own choice by the key. */
  readonly partition?: number;
}

/** A transaction of a producer; nothing of it is visible to readers of committed records while it is open. */
export interface OpenTransaction {
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export class KafkaLog {
  readonly #kafka: Kafka;
  readonly #producer: Producer;
  readonly #admin: Admin;
  readonly #others: Producer[] = [];

  private constructor(kafka: Kafka) {
    this.#kafka = kafka;
    this.#producer = kafka.producer({ allowAutoTopicCreation: false });
    this.#admin = kafka.admin();
  }

  static async open(brokers: string): Promise<KafkaLog> {
    const log = new KafkaLog(
      new KafkaClient({
        clientId: 'reprise-kafka-log',
        brokers: brokers.split(','),
        logLevel: logLevel.NOTHING,
        connectionTimeout: 10_000,
      }),
    );
    await Promise.all([log.#producer.connect(), log.#admin.connect()]);
    return log;
  }

  /** One batch per call and partition, in this order. */
  async write(topic: string, records: readonly RawRecord[]): Promise<void> {
    await this.#producer.send(batchOf(topic, records));
  }

  /** Writes the records in a transaction and leaves it open. */
  async begin(topic: string, id: string, records: readonly RawRecord[]): Promise<OpenTransaction> {
    const producer = this.#kafka.producer({
      transactionalId: id,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    });
    this.#others.push(producer);
    await producer.connect();
    const transaction: Transaction = await producer.transaction();
    await transaction.send(batchOf(topic, records));
    return { commit: () => transaction.commit(), abort: () => transaction.abort() };
  }

  /** Deletes everything before `offset`. */
  async deleteBefore(topic: string, partition: number, offset: number): Promise<void> {
    // Without it KafkaJS does not know the topic's leaders.
    await this.#admin.fetchTopicOffsets(topic);
    await this.#admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
  }

  async close(): Promise<void> {
    const ends = [this.#producer, this.#admin, ...this.#others].map((each) => each.disconnect());
    await Promise.all(ends);
  }
}

function batchOf(topic: string, records: readonly RawRecord[]) {
  return {
    topic,
    acks: -1,
    compression: CompressionTypes.Snappy,
    messages: records.map(({ key, value, timestampMs, eventId, headers, partition }) => ({
      key,
      value,
      timestamp: String(timestampMs),
      headers: {
        ...(eventId !== undefined && headersOf({ 'event-id': eventId })),
        ...headersOf(headers ?? {}),
      },
      ...(partition !== undefined && { partition }),
    })),
  };
}

function headersOf(headers: NonNullable<RawRecord['headers']>): IHeaders {
  const entries = Object.entries(headers);
  return Object.fromEntries(
    entries.map(([name, values]) => [name, typeof values === 'string' ? values : [...values]]),
  );
}
