// A real broker for the tests of src/kafka: fresh topics, producers, and a delivery log that notes its signals.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { Admin, Message, Producer } from 'kafkajs';
import { afterAll, expect, vi } from 'vitest';
import { createDeliveryLog } from '../../../src/kafka/delivery-log.ts';
import type { DeliveryLogConfig, KafkaDeliveryLog } from '../../../src/kafka/delivery-log.ts';
import type { Pin } from '../../../src/domain/job.ts';
import type { EventBatch, LogStream, RangeRequest, StreamRequest } from '../../../src/domain/log.ts';
import type { SignalName, Signals } from '../../../src/domain/signals.ts';

const snappyCodec = createRequire(import.meta.url)('kafkajs-snappy') as () => unknown;
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = snappyCodec;

// A JVM that starts on two busy cores takes seconds.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const given = process.env['REPRISE_TEST_BROKERS'];
if (!given) throw new Error('REPRISE_TEST_BROKERS is not set: run npm test, which starts the stack');
export const brokers: readonly string[] = given.split(',');
export const { CompressionTypes } = kafkajs;

const kafka = new kafkajs.Kafka({
  clientId: 'reprise-tests',
  brokers: [...brokers],
  logLevel: kafkajs.logLevel.NOTHING,
});
const endings: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** Runs after the tests of the file, last one first. */
export function atEnd(end: () => Promise<void>): void {
  endings.push(end);
}

let connected: Promise<Admin> | null = null;

export function admin(): Promise<Admin> {
  connected ??= (async () => {
    const fresh = kafka.admin();
    await fresh.connect();
    atEnd(() => fresh.disconnect());
    return fresh;
  })();
  return connected;
}

export async function createTopic(topic: string, partitions = 1, settings: Record<string, string> = {}) {
  const configEntries = Object.entries({ 'retention.ms': '-1', ...settings }).map(([name, value]) => ({
    name,
    value,
  }));
  const to = await admin();
  // KafkaJS' own wait fails when the broker does not know the topic yet.
  await to.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: partitions, configEntries }],
  });
  await becomes(() => to.fetchTopicOffsets(topic));
}

/** Asks until it works: a broker takes some ms to act on what its controller has decided. */
export async function becomes(ask: () => Promise<unknown>): Promise<void> {
  for (let left = 500; ; left--) {
    try {
      await ask();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await sleep(20);
    }
  }
}

export async function freshTopic(partitions = 1, settings: Record<string, string> = {}): Promise<string> {
  const topic = `reader-${randomUUID()}`;
  await createTopic(topic, partitions, settings);
  return topic;
}

export async function producer(transactionalId?: string): Promise<Producer> {
  const fresh = kafka.producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    ...(transactionalId === undefined
      ? {}
      : { transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 60_000 }),
  });
  await fresh.connect();
  atEnd(() => fresh.disconnect());
  return fresh;
}

export const T = Date.UTC(2026, 0, 1);

export const message = (value: string | Buffer | null, ms = 0, key: string | null = 'w'): Message => ({
  key,
  value,
  timestamp: String(T + ms),
});

/** One batch per call. */
export async function produce(
  topic: string,
  messages: Message[],
  compression = kafkajs.CompressionTypes.None,
) {
  const to = await producer();
  await to.send({ topic, messages, compression });
}

export const range: RangeRequest = {
  key: 'w',
  fromMs: T,
  toMs: T + 60_000,
  identity: 'value',
  scan: 'bounded',
};
export const never = new AbortController().signal;

export interface Noted {
  readonly name: SignalName;
  readonly fields: Signals[SignalName];
}

export interface TestLog {
  readonly log: KafkaDeliveryLog;
  readonly noted: Noted[];
}

export function openLog(topic: string, config: Partial<DeliveryLogConfig> = {}): TestLog {
  const noted: Noted[] = [];
  const sites = [{ name: 'a', brokers, topics: [topic] }];
  const defaults = { sites, partitions: null, disorderSlackMs: 900_000, openTransactionWaitMs: 10_000 };
  const log = createDeliveryLog({ ...defaults, ...config }, (name, fields) => noted.push({ name, fields }));
  atEnd(() => log.close());
  return { log, noted };
}

export async function pinOf(
  log: KafkaDeliveryLog,
  asked: RangeRequest = range,
  pinEnds = true,
): Promise<Pin> {
  const { pins } = await log.lookup(log.sites[0] ?? '', asked, pinEnds, never);
  const [pin] = pins;
  if (!pin) throw new Error('no pin');
  return pin;
}

export async function openStream(
  log: KafkaDeliveryLog,
  asked: Partial<StreamRequest> = {},
): Promise<LogStream> {
  const pin = asked.pin ?? (await pinOf(log, { ...range, ...asked }));
  const stream = log.stream({ ...range, start: pin.start, end: () => pin.end, ...asked, pin }, never);
  atEnd(() => stream.close());
  return stream;
}

export interface Told {
  readonly values: (string | null)[];
  readonly batches: EventBatch[];
  readonly next: number;
  readonly scanned: number;
  readonly gaps: string[];
}

/** Reads until `done`, and holds every batch to the port's promises. */
export async function readAll(stream: LogStream): Promise<Told> {
  const batches: EventBatch[] = [];
  let next = 0;
  for (;;) {
    const batch = await stream.next();
    expect(batch.next).toBeGreaterThanOrEqual(next);
    next = batch.next;
    batches.push(batch);
    if (batch.done) break;
  }
  const events = batches.flatMap((batch) => batch.events);
  const offsets = events.map((event) => event.offset);
  expect(offsets).toEqual([...new Set(offsets)].toSorted((a, b) => a - b));
  return {
    values: events.map((event) => event.value?.toString() ?? null),
    batches,
    next,
    scanned: batches.reduce((sum, batch) => sum + batch.scanned, 0),
    gaps: batches.flatMap((batch) => batch.gaps.map((gap) => `${gap.reason} ${gap.from}-${gap.to}`)),
  };
}

/** Looks up the range in `topic` and reads all of it. */
export async function replay(
  topic: string,
  asked: Partial<StreamRequest> = {},
  config: Partial<DeliveryLogConfig> = {},
) {
  const { log } = openLog(topic, config);
  return await readAll(await openStream(log, asked));
}
