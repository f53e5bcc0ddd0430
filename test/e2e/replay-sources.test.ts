// Several topics that together hold the log of one site: merged oldest first, copies across them delivered once.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RawRecord } from '../support/kafka-log.ts';
import { Stage, keyIn } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 7_200_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
let topics: readonly [string, string];
beforeAll(async () => {
  stage = await Stage.open({
    topics: 2,
    partitions: 8,
    // The smallest budget: sources must not starve each other of it.
    env: { REPRISE_MEMORY_BUDGET_BYTES: '2097152', REPRISE_OPEN_TRANSACTION_WAIT_MS: '1000' },
  });
  const [one = '', two = ''] = stage.scene.topics;
  topics = [one, two];
});
afterAll(() => stage.close());

const listenIn = (partition: number, draft: Record<string, unknown> = {}) =>
  stage.listen({ key: keyIn(partition, stage.scene.partitions), ...draft });
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

test('events of two topics arrive oldest first, over many fetches', async () => {
  // One at a time, so that the order of arrival is the order of the merge.
  const listener = await listenIn(0, { concurrency: 1 });
  const { key } = listener;
  // 5 MB that nothing compresses: three fetches and more of each topic. Irregular runs in one topic and the other.
  const events = Array.from({ length: 600 }, (_, index) => ({
    topic: topics[Math.floor(index / 37 + index / 5) % 2 === 0 ? 0 : 1],
    record: {
      key,
      eventId: `e${String(index).padStart(3, '0')}`,
      value: randomBytes(8_500),
      timestampMs: FROM + index * 900,
    },
  }));
  for (const topic of topics) {
    const records = events.filter((event) => event.topic === topic).map(({ record }) => record);
    expect(records.length).toBeGreaterThan(250);
    for (let at = 0; at < records.length; at += 20) {
      await stage.log.write(topic, records.slice(at, at + 20));
    }
  }
  const job = await listener.replayed(RANGE);
  expect(listener.ids).toEqual(events.map(({ record }) => record.eventId));
  expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 600, delivered: 600, duplicates: 0 } });
  expect(job.pins?.map(({ topic }) => topic)).toEqual(topics);
});

test('copies across the topics are delivered once, in whatever order they lie', async () => {
  const listener = await listenIn(1);
  const { key } = listener;
  const named = Array.from({ length: 40 }, (_, index): RawRecord => {
    const eventId = `n${index}`;
    return { key, eventId, value: `named ${index}`, timestampMs: FROM + index * 1_000 };
  });
  const plain = named.map(({ timestampMs }, index): RawRecord => ({ key, value: `p${index}`, timestampMs }));
  await stage.log.write(topics[0], [...named, ...plain]);
  // The mirror has them backwards and later, and some that the other topic has not.
  const own = { key, eventId: 'only-here', value: 'only here', timestampMs: FROM + 500 };
  await stage.log.write(topics[1], [...plain, ...named].reverse());
  await stage.log.write(topics[1], [own]);
  const { counts, outcome } = await listener.replayed(RANGE);
  expect(sorted(listener.bodies)).toEqual(
    sorted([...named, ...plain, own].map(({ value }) => String(value))),
  );
  expect(counts).toMatchObject({ matched: 161, delivered: 81, duplicates: 80 });
  expect(outcome).toBe('complete');
});

test('a topic that holds nothing of the webhook holds nobody up', async () => {
  const listener = await listenIn(2);
  const records = [1, 2, 3].map((index) => ({
    key: listener.key,
    value: `v${index}`,
    timestampMs: FROM + index,
  }));
  await stage.log.write(topics[1], records);
  const job = await listener.replayed(RANGE);
  expect(sorted(listener.bodies)).toEqual(['v1', 'v2', 'v3']);
  expect(job.pins?.map(({ start, end }) => [start, end])).toEqual([
    [0, 0],
    [0, 3],
  ]);
});

test('values of 900 KB in both topics, of two replays at once, pass through the smallest budget', async () => {
  const listeners = await Promise.all([listenIn(3), listenIn(4)]);
  const values = Array.from({ length: 14 }, () => randomBytes(900 * 1024));
  for (const [index, value] of values.entries()) {
    const { key } = listeners[index % 2] ?? listeners[0];
    await stage.log.write(topics[index < 7 ? 0 : 1], [{ key, value, timestampMs: FROM + index }]);
  }
  const jobs = await Promise.all(listeners.map((listener) => listener.replayed(RANGE)));
  expect(jobs.map(({ outcome, counts }) => [outcome, counts.delivered])).toEqual([
    ['complete', 7],
    ['complete', 7],
  ]);
  const arrived = listeners.flatMap(({ accepted }) => accepted.map(({ body }) => body));
  expect(values.every((value) => arrived.some((body) => body !== null && value.equals(body)))).toBe(true);
});

test('a gap in one topic costs nothing of the other', async () => {
  const listener = await listenIn(5, { concurrency: 1 });
  const record = (minute: number): RawRecord => ({
    key: listener.key,
    eventId: `m${minute}`,
    value: `at ${minute}`,
    timestampMs: FROM + minute * 60_000,
  });
  await stage.log.write(topics[0], [record(1), record(3), record(5)]);
  await stage.log.write(topics[1], [record(2)]);
  const open = await stage.log.begin(topics[1], `${topics[1]}-open`, [record(4)]);
  const job = await listener.replayed(RANGE);
  await open.abort();
  expect(listener.ids).toEqual(['m1', 'm2', 'm3', 'm5']);
  expect(job).toMatchObject({
    outcome: 'incomplete',
    gaps: [{ source: `dc1/${topics[1]}`, from: 1, to: 2, reason: 'open_transaction' }],
  });
});
