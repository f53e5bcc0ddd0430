// A log that has lost its beginning: what may be missing is named with its offsets and the outcome says
// incomplete; what is left is delivered; and a loss that cannot touch the range changes nothing.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RawRecord } from '../support/kafka-log.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ partitions: 8 });
});
afterAll(() => stage.close());

/** Deletion is the partition's, so each test has its own. */
let partitions = 0;
const listen = (draft: Record<string, unknown> = {}) =>
  stage.listen({ key: keyIn(partitions++, stage.scene.partitions), ...draft });
const source = (): string => `dc1/${stage.scene.topic}`;

/** One event per second from `firstMs` on, with the numbers of their offsets as ids. */
function events(
  { key }: Listener,
  count: number,
  firstMs: number,
  value?: (index: number) => Buffer,
): RawRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key,
    eventId: String(index),
    value: value?.(index) ?? `event ${index}`,
    timestampMs: firstMs + index * 1_000,
  }));
}
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

test('records of the range that were deleted before it was asked for are a gap', async () => {
  const listener = await listen({ concurrency: 1 });
  await stage.log.write(stage.scene.topic, events(listener, 20, FROM));
  await stage.log.deleteBefore(stage.scene.topic, listener.partition, 8);
  const job = await listener.replayed(RANGE);
  expect(listener.ids).toEqual(numbers(8, 20));
  expect(job).toMatchObject({
    outcome: 'incomplete',
    gaps: [{ source: source(), from: 0, to: 8, reason: 'retention' }],
    counts: { matched: 12, delivered: 12, deadLettered: 0 },
  });
  const shown = await stage.instance.call('GET', `/v1/replays/${job.id}`);
  expect(shown.body).toMatchObject({
    outcome: 'incomplete',
    gaps: [{ source: source(), from: '0', to: '8', reason: 'retention' }],
  });
});

test('records deleted before the range began are none', async () => {
  const listener = await listen({ concurrency: 1 });
  // Five before the range; three of them are gone, so the oldest that is left proves that the range is whole.
  await stage.log.write(stage.scene.topic, events(listener, 20, FROM - 5_000));
  await stage.log.deleteBefore(stage.scene.topic, listener.partition, 3);
  const job = await listener.replayed(RANGE);
  expect(listener.ids).toEqual(numbers(5, 20));
  expect(job).toMatchObject({ outcome: 'complete', gaps: [] });
});

test('retention that overtakes a running replay leaves a gap with the exact offsets', async () => {
  const listener = await listen({ concurrency: 1 });
  const { receiver } = listener;
  // 16 MB, more than is read ahead; the first answer holds the delivery while the log loses its beginning.
  const all = events(listener, 160, FROM, () => randomBytes(100_000));
  for (let at = 0; at < all.length; at += 5) await stage.log.write(stage.scene.topic, all.slice(at, at + 5));
  receiver.set(({ number }) =>
    number === 1 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 },
  );
  const id = await listener.request(RANGE);
  await receiver.waitFor(({ requests }) => requests === 1);
  await stage.log.deleteBefore(stage.scene.topic, listener.partition, 150);
  const job = await stage.scene.untilState(id, 'COMPLETED');
  const [gap] = job.gaps;
  expect(job.gaps).toMatchObject([{ source: source(), to: 150, reason: 'retention' }]);
  const from = gap?.from ?? NaN;
  expect(from).toBeGreaterThan(0);
  expect(from).toBeLessThan(150);
  expect(listener.ids).toEqual([...numbers(0, from), ...numbers(150, 160)]);
  expect(job).toMatchObject({ outcome: 'incomplete', counts: { matched: from + 10, delivered: from + 10 } });
});
