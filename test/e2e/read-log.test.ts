// A log that cannot be read as a whole, or not yet: each loss is a gap with its exact offsets and its reason, the
// outcome says incomplete, everything else is delivered once, and what no reader shall see costs nothing.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { held } from '../support/hold.ts';
import type { RawRecord } from '../support/kafka-log.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';
import { TopicAdmin } from '../support/topic-admin.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
let admin: TopicAdmin;
beforeAll(async () => {
  const brokers = process.env['REPRISE_TEST_BROKERS'] ?? '';
  [stage, admin] = await Promise.all([
    Stage.open({
      partitions: 8,
      env: { REPRISE_OPEN_TRANSACTION_WAIT_MS: '1000', REPRISE_MEMORY_BUDGET_BYTES: '2097152' },
    }),
    TopicAdmin.open(brokers),
  ]);
});
afterAll(async () => {
  await Promise.all([admin.close(), stage.close()]);
});

/** What is done to a partition is done to all its webhooks, so each test has its own. */
let partitions = 0;
const listen = () => stage.listen({ key: keyIn(partitions++, stage.scene.partitions), concurrency: 1 });
const topic = (): string => stage.scene.topic;
const source = (): string => `dc1/${topic()}`;

/** One event per second; the numbers of their offsets are their ids. */
function events({ key }: Listener, from: number, to: number, padding = 0): RawRecord[] {
  return Array.from({ length: to - from }, (_, index) => ({
    key,
    eventId: String(from + index),
    value: `event ${from + index} ${randomBytes(padding).toString('hex')}`,
    timestampMs: FROM + (from + index) * 1_000,
  }));
}
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

async function steer(id: string, what: 'pause' | 'resume'): Promise<void> {
  const { status, body } = await stage.instance.call('POST', `/v1/replays/${id}/${what}`, {});
  expect(status, JSON.stringify(body)).toBeLessThan(300);
}

test('retention that overtakes a paused replay is a gap from where it stood', async () => {
  const listener = await listen();
  await stage.log.write(topic(), events(listener, 0, 160));
  const id = await listener.request({ ...RANGE, maxRate: 20 });
  await listener.receiver.waitFor(({ accepted }) => accepted === 5);
  await steer(id, 'pause');
  const paused = await stage.scene.untilState(id, 'PAUSED');
  const stood = paused.counts.delivered;
  expect(stood).toBe(listener.ids.length);
  expect(stood).toBeLessThan(150);
  await stage.log.deleteBefore(topic(), listener.partition, 150);
  await steer(id, 'resume');
  const job = await stage.scene.untilState(id, 'COMPLETED');
  expect(listener.ids).toEqual([...numbers(0, stood), ...numbers(150, 160)]);
  // What was queued is named one by one.
  expect(job.gaps.flatMap(({ from, to }) => numbers(from, to))).toEqual(numbers(stood, 150));
  for (const gap of job.gaps) expect(gap).toMatchObject({ source: source(), reason: 'retention' });
  expect(job).toMatchObject({ outcome: 'incomplete', counts: { delivered: stood + 10, duplicates: 0 } });
});

test('a batch that rots on the disk is a gap of exactly its offsets', async () => {
  const listener = await listen();
  await stage.log.write(topic(), events(listener, 0, 4));
  await stage.log.write(topic(), events(listener, 4, 7, 500));
  await stage.log.write(topic(), events(listener, 7, 12));
  await admin.damage(topic(), listener.partition, 4);
  const job = await listener.replayed(RANGE);
  expect(listener.ids).toEqual([...numbers(0, 4), ...numbers(7, 12)]);
  expect(job.gaps).toEqual([{ source: source(), from: 4, to: 7, reason: 'crc_mismatch' }]);
  expect(job).toMatchObject({ outcome: 'incomplete', counts: { matched: 9, delivered: 9, deadLettered: 0 } });
});

test('aborted transactions and the control batches of all of them cost nothing', async () => {
  const listener = await listen();
  const all = events(listener, 0, 12);
  const transaction = (id: string, from: number, to: number) =>
    stage.log.begin(topic(), `${topic()}-${id}`, all.slice(from, to));
  await stage.log.write(topic(), all.slice(0, 2));
  // Two producers at once: what one aborts lies between what the other commits.
  const [lost, kept] = [await transaction('lost', 2, 5), await transaction('kept', 5, 7)];
  await stage.log.write(topic(), all.slice(7, 8));
  await lost.abort();
  await kept.commit();
  await (await transaction('last', 8, 10)).abort();
  await stage.log.write(topic(), all.slice(10, 12));
  // Twelve records and three ends of transactions.
  await admin.untilEnds(topic(), listener.partition, 15);
  const job = await listener.replayed(RANGE);
  expect(listener.ids).toEqual([...numbers(0, 2), ...numbers(5, 8), ...numbers(10, 12)]);
  expect(job).toMatchObject({
    outcome: 'complete',
    gaps: [],
    counts: { matched: 7, delivered: 7, duplicates: 0 },
  });
  expect(job.pins?.map(({ start, end }) => [start, end])).toEqual([[0, 15]]);
});

test('a transaction that is open at the end of the range is a gap from its first record on', async () => {
  const listener = await listen();
  const all = events(listener, 0, 9);
  await stage.log.write(topic(), all.slice(0, 3));
  const open = await stage.log.begin(topic(), `${topic()}-open`, all.slice(3, 5));
  // Behind it, so nobody may see them before it ends.
  await stage.log.write(topic(), all.slice(5, 9));
  const job = await listener.replayed(RANGE);
  await open.commit();
  expect(listener.ids).toEqual(numbers(0, 3));
  expect(job.gaps).toEqual([{ source: source(), from: 3, to: 9, reason: 'open_transaction' }]);
  expect(job).toMatchObject({ outcome: 'incomplete', counts: { matched: 3, delivered: 3 } });
});

test('without the right to read a replay waits and says so, begun or not, and goes on with it', async () => {
  const [running, late] = [await listen(), await listen()];
  // 15 MB, with the smallest budget far more than is read ahead.
  for (let at = 0; at < 150; at += 5) await stage.log.write(topic(), events(running, at, at + 5, 50_000));
  await stage.log.write(topic(), events(late, 0, 5));
  const gate = held();
  running.receiver.set(({ number }) => (number <= 3 ? { status: 200 } : gate.answer));
  const first = await running.request(RANGE);
  await running.receiver.waitFor(({ requests }) => requests === 4);
  await admin.denyReading(topic());
  const second = await late.request(RANGE);
  gate.open();
  for (const id of [first, second]) {
    await stage.scene.fact(`replay ${id} says that reading is not allowed`, async () => {
      const { body } = await stage.instance.call('GET', `/v1/replays/${id}`);
      return String(body['waiting']).includes('reading the topic is not allowed');
    });
  }
  expect(running.ids.length).toBeLessThan(150);
  expect(late.ids).toEqual([]);
  await admin.allowReading(topic());
  const jobs = await Promise.all([first, second].map((id) => stage.scene.untilState(id, 'COMPLETED')));
  expect(jobs.map(({ outcome, gaps }) => [outcome, gaps])).toEqual([
    ['complete', []],
    ['complete', []],
  ]);
  expect(running.ids).toEqual(numbers(0, 150));
  expect(late.ids).toEqual(numbers(0, 5));
});
