// A log is no clock: producers' clocks differ and mirrored records arrive late. What lies in the range by its time
// is found wherever it lies in the log, up to the end that was pinned.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage, keyIn } from '../support/stage.ts';
import type { LogRecord } from '../support/log-writer.ts';

const MINUTE = 60_000;
const FROM = Math.floor((Date.now() - 180 * MINUTE) / MINUTE) * MINUTE;
const RANGE = { fromMs: FROM, toMs: FROM + 10 * MINUTE };
/** Of the other partitions one test each knows all that is written. */
const SHARED = 0;
const OWN = 2;
const DISORDERLY = 3;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const listenIn = (partition: number, draft: Record<string, unknown> = {}) =>
  stage.listen({ key: keyIn(partition, stage.scene.partitions), ...draft });
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

/** Each record in a batch of its own, as slow producers write them. */
async function writeOneByOne(key: string, minutes: readonly (readonly [string, number])[]): Promise<void> {
  for (const [value, minute] of minutes) {
    await stage.log.write(stage.scene.topic, [{ key, value, timestampMs: FROM + minute * MINUTE }]);
  }
}

/** 16,000 records of somebody else past the slack: 3.2 MB that nothing compresses, so several fetches. */
async function writePast(partition: number): Promise<number> {
  const past: LogRecord[] = Array.from({ length: 16_000 }, (_, index) => ({
    key: 'somebody-else',
    value: randomBytes(200),
    timestampMs: RANGE.toMs + 16 * MINUTE + index,
    partition,
  }));
  await stage.scene.writer.write(stage.scene.topic, past, 160);
  return past.length;
}

describe('events in the range are found', () => {
  test('in any order of time, within and across batches', async () => {
    const listener = await listenIn(SHARED);
    const { key } = listener;
    const minutes = [9, -3, 2, 14, 0, 7, 30, 1, -8, 5];
    const records = minutes.map((minute) => ({
      key,
      value: `w${minute}`,
      timestampMs: FROM + minute * MINUTE,
    }));
    await stage.log.write(stage.scene.topic, records);
    await writeOneByOne(
      key,
      minutes.map((minute) => [`a${minute}`, minute]),
    );
    await listener.replayed(RANGE);
    const inside = minutes.filter((minute) => minute >= 0 && minute < 10);
    expect(sorted(listener.bodies)).toEqual(sorted(inside.flatMap((minute) => [`w${minute}`, `a${minute}`])));
  });

  test('behind a record of a producer whose clock is 50 minutes fast', async () => {
    const listener = await listenIn(SHARED);
    const fast: [string, number] = ['fast', 50];
    await writeOneByOne(listener.key, [['first', 1], fast, ['second', 2], ['third', 3], fast, ['last', 9]]);
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['first', 'last', 'second', 'third']);
    expect(job.outcome).toBe('complete');
  });

  test('behind the offset at which the log had passed `to`', async () => {
    const listener = await listenIn(SHARED);
    const late: [string, number][] = [3, 9.99, 0].map((minute) => [`late ${minute}`, minute]);
    await writeOneByOne(listener.key, [['in time', 1], ['past', 10], ['far past', 40], ...late]);
    await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['in time', 'late 0', 'late 3', 'late 9.99']);
  });
});

describe('the end', () => {
  test('is where the log ended when it was pinned: what is written later belongs to a later replay', async () => {
    const listener = await listenIn(SHARED, { concurrency: 1 });
    const { key, receiver } = listener;
    // Holds the job for a second while the log grows.
    receiver.set(({ number }) =>
      number === 1 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 },
    );
    await writeOneByOne(key, [
      ['first', 1],
      ['second', 2],
    ]);
    const id = await listener.request(RANGE);
    await receiver.waitFor(({ requests }) => requests === 1);
    const pins = (await stage.scene.until(id, (job) => job.pins !== null)).pins ?? [];
    await writeOneByOne(key, [['written later', 3]]);
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(sorted(listener.bodies)).toEqual(['first', 'second']);
    expect(job.pins).toEqual(pins);
    expect(job.cut?.[pins[0]?.source as keyof typeof job.cut]?.next).toBe(pins[0]?.end);
    await listener.replayed(RANGE);
    expect(sorted(listener.bodies.slice(2))).toEqual(['first', 'second', 'written later']);
  });

  test('of a bounded scan is behind the slack, a full one reads on', async () => {
    const listener = await listenIn(OWN);
    await writeOneByOne(listener.key, [['in time', 1]]);
    const past = await writePast(OWN);
    await writeOneByOne(listener.key, [['an hour late', 2]]);
    const bounded = await listener.replayed(RANGE);
    expect(listener.bodies).toEqual(['in time']);
    expect(bounded.outcome).toBe('complete');
    expect(bounded.counts.scanned).toBeGreaterThan(10_000);
    expect(bounded.counts.scanned).toBeLessThan(past);
    const full = await listener.replayed({ ...RANGE, scan: 'full' });
    expect(sorted(listener.bodies.slice(1))).toEqual(['an hour late', 'in time']);
    expect(full.counts.scanned).toBe(past + 2);
  });

  test('of a scan in a log of much disorder is its pinned end', async () => {
    const listener = await listenIn(DISORDERLY);
    // A step back of 8 minutes: more than half of the slack.
    await writeOneByOne(listener.key, [
      ['in time', 1],
      ['past', 19],
      ['less past', 11],
    ]);
    const past = await writePast(DISORDERLY);
    await writeOneByOne(listener.key, [['an hour late', 2]]);
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['an hour late', 'in time']);
    expect(job.counts.scanned).toBe(past + 4);
  });
});
