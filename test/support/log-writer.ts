// Writes delivery logs for tests and the demo through KafkaJS: topics, and records with key, time and headers.

import kafkajs from 'kafkajs';
import type { Admin, Producer } from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';

const { Kafka, CompressionCodecs, CompressionTypes, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;

const LEADERS_MS = 30_000;

export interface LogRecord {
  readonly key: string;
  /** null = a tombstone. */
  readonly value: string | Buffer | null;
  readonly timestampMs: number;
  readonly eventId?: string;
  /** Besides. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: Kafka's own choice by the key. */
  readonly partition?: number;
}

export class LogWriter {
  readonly #producer: Producer;
  readonly #admin: Admin;

  private constructor(producer: Producer, admin: Admin) {
    this.#producer = producer;
    this.#admin = admin;
  }

  static async open(brokers: string): Promise<LogWriter> {
    const kafka = new Kafka({
      clientId: 'reprise-log-writer',
      brokers: brokers.split(','),
      logLevel: logLevel.NOTHING,
      connectionTimeout: 10_000,
    });
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    const admin = kafka.admin();
    await Promise.all([producer.connect(), admin.connect()]);
    return new LogWriter(producer, admin);
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.#admin.createTopics({
      // KafkaJS's own wait gives up when the broker does not know the topic yet.
      waitForLeaders: false,
      topics: [
        {
          topic,
          numPartitions: partitions,
          configEntries: [{ name: 'max.message.bytes', value: '4194304' }],
        },
      ],
    });
    await this.#untilLed(topic);
  }

  async #untilLed(topic: string): Promise<void> {
    const until = performance.now() + LEADERS_MS;
    for (;;) {
      try {
        const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
        if (topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0))) return;
      } catch (error) {
        if (performance.now() > until) throw error;
      }
      if (performance.now() > until) throw new Error(`topic ${topic} has no leaders`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Writes in order, in batches of `batch` records, snappy unless told otherwise. */
  async write(topic: string, records: readonly LogRecord[], batch = 1_000): Promise<void> {
    for (let at = 0; at < records.length; at += batch) {
      await this.#producer.send({
        topic,
        acks: -1,
        compression: CompressionTypes.Snappy,
        messages: records.slice(at, at + batch).map((record) => ({
          key: record.key,
          value: record.value,
          timestamp: String(record.timestampMs),
          headers: {
            ...(record.eventId === undefined ? {} : { 'event-id': record.eventId }),
            ...record.headers,
          },
          ...(record.partition === undefined ? {} : { partition: record.partition }),
        })),
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.disconnect(), this.#admin.disconnect()]);
  }
}
