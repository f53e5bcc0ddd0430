// What comes next: batches of what is queued, those that wait under the id they had, and strict order.

import { describe, expect, it } from 'vitest';
import { Outbox } from '../../../src/actors/outbox.ts';
import type { Packing } from '../../../src/actors/outbox.ts';
import { asSourceName } from '../../../src/domain/ids.ts';
import type { LogEvent } from '../../../src/domain/log.ts';
import { halvesOf } from '../../../src/domain/message.ts';
import type { Message } from '../../../src/domain/message.ts';

const LINES: Packing = { profile: { mode: 'ndjson', maxEvents: 100, maxBytes: 1_000 }, most: 100 };
const SINGLE: Packing = { profile: { ...LINES.profile, mode: 'single' }, most: 1 };

const events = (count: number, from = 0): LogEvent[] =>
  Array.from({ length: count }, (_, n) => ({
    source: asSourceName('dc1/delivery_log'),
    partition: 0,
    offset: from + n,
    timestampMs: from + n,
    value: Buffer.from(`${from + n}`),
    eventId: `e${from + n}`,
    identity: '',
    digest: '',
    scannedBefore: 1,
  }));
const offsets = (message: Message): number[] => message.events.map(({ offset }) => offset);

function holding(count: number, isStrict = false): Outbox {
  const outbox = new Outbox(isStrict);
  outbox.add(events(count));
  return outbox;
}

describe('the outbox', () => {
  it('waits for no more events than are queued, and takes no more than there is room for', () => {
    const outbox = holding(5);
    expect(offsets(outbox.next(0, LINES, 3))).toEqual([0, 1, 2]);
    expect(offsets(outbox.next(0, LINES, 1_000))).toEqual([3, 4]);
    expect([outbox.has(0), outbox.isEmpty]).toEqual([false, true]);
    outbox.add(events(2, 5));
    expect(offsets(outbox.next(0, SINGLE, 1_000))).toEqual([5]);
    expect(outbox.queued).toBe(1);
  });

  it('gives what was put back before anything else, as it was', () => {
    const outbox = holding(6);
    const first = outbox.next(0, LINES, 2);
    outbox.later(outbox.next(0, LINES, 2), 0);
    outbox.putBack(first);
    expect([outbox.queued, outbox.waiting]).toEqual([2, 4]);
    expect(outbox.next(0, LINES, 1_000)).toEqual(first);
    // A waiting batch keeps its size (and so its id) however little room there is.
    expect(offsets(outbox.next(0, LINES, 1))).toEqual([2, 3]);
  });

  it('halves a waiting batch that no longer fits, no further than it must, and the oldest first', () => {
    const outbox = holding(8);
    outbox.later(outbox.next(0, LINES, 8), 100);
    expect(outbox.has(99)).toBe(false);
    const probe = outbox.next(100, { ...LINES, most: 1 }, 8);
    expect(offsets(probe)).toEqual([0]);
    const rest = Array.from({ length: 3 }, () => offsets(outbox.next(100, LINES, 8)));
    expect(rest).toEqual([[1], [2, 3], [4, 5, 6, 7]]);
    expect(outbox.isEmpty).toBe(true);
  });

  it('lets others pass a batch that waits, but not in strict order', () => {
    for (const isStrict of [false, true]) {
      const outbox = holding(4, isStrict);
      outbox.later(outbox.next(0, LINES, 2), 50);
      expect(outbox.has(0)).toBe(!isStrict);
      expect(outbox.nextDueMs).toBe(50);
    }
  });

  it('keeps strict order when a half waits longer than what is behind it', () => {
    const outbox = holding(6, true);
    const [first, second] = halvesOf(outbox.next(0, LINES, 4));
    outbox.later(second, 0);
    outbox.later(first, 70);
    expect(outbox.has(69)).toBe(false);
    const order = [1, 2, 3].map(() => offsets(outbox.next(70, LINES, 6)));
    expect(order).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });

  it('knows when the next message would be larger if more were queued', () => {
    const outbox = holding(3);
    expect(outbox.wouldBeShort(0, { ...LINES, most: 4 }, 1_000)).toBe(true);
    expect(outbox.wouldBeShort(0, { ...LINES, most: 3 }, 1_000)).toBe(false);
    expect(outbox.wouldBeShort(0, { ...LINES, most: 4 }, 3)).toBe(false);
    expect(outbox.wouldBeShort(0, SINGLE, 1_000)).toBe(false);
    // What waits goes as it is, whatever is queued behind it.
    outbox.later(outbox.next(0, LINES, 2), 0);
    expect(outbox.wouldBeShort(0, { ...LINES, most: 4 }, 1_000)).toBe(false);
  });

  it('knows when the queue has enough for a message, by events or by bytes', () => {
    const outbox = holding(3);
    expect(outbox.holdsMessage({ ...LINES, most: 4 })).toBe(false);
    expect(outbox.holdsMessage({ ...LINES, most: 3 })).toBe(true);
    expect(outbox.holdsMessage({ profile: { ...LINES.profile, maxBytes: 3 }, most: 4 })).toBe(true);
    outbox.next(0, LINES, 1);
    expect(outbox.holdsMessage({ profile: { ...LINES.profile, maxBytes: 3 }, most: 4 })).toBe(false);
  });
});
