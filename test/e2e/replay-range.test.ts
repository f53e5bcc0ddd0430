// Which records a replay takes for its events: those of its key inside [from, to), wherever in the log they lie.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from '../support/stage.ts';

const MINUTE = 60_000;
const FROM = Math.floor((Date.now() - 120 * MINUTE) / MINUTE) * MINUTE;
const RANGE = { fromMs: FROM, toMs: FROM + 10 * MINUTE };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const write: Stage['log']['write'] = (topic, records) => stage.log.write(topic, records);
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

describe('the edges', () => {
  test('from belongs to the range, to does not', async () => {
    const listener = await stage.listen();
    const { key } = listener;
    const at = (timestampMs: number, value: string) => ({ key, value, timestampMs });
    await write(stage.scene.topic, [
      at(RANGE.fromMs - 1, 'before from'),
      at(RANGE.fromMs, 'at from'),
      at(RANGE.fromMs + 1, 'after from'),
      at(RANGE.toMs - 1, 'before to'),
      at(RANGE.toMs, 'at to'),
      at(RANGE.toMs + 1, 'after to'),
    ]);
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['after from', 'at from', 'before to']);
    expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 3, delivered: 3 } });
  });

  test('adjoining ranges deliver each event once', async () => {
    const listener = await stage.listen();
    const middle = RANGE.fromMs + 1_000;
    const values = [-2, -1, 0, 1, 2].map((step) => `event at ${step}`);
    const records = values.map((value, index) => ({
      key: listener.key,
      value,
      timestampMs: middle - 2 + index,
    }));
    await write(stage.scene.topic, records);
    await listener.replayed({ fromMs: RANGE.fromMs, toMs: middle });
    await listener.replayed({ fromMs: middle, toMs: RANGE.toMs });
    expect(sorted(listener.bodies)).toEqual(sorted(values));
  });

  test('a range of one millisecond is one', async () => {
    const listener = await stage.listen();
    const records = [-1, 0, 1].map((step) => ({
      key: listener.key,
      value: `at ${step}`,
      timestampMs: RANGE.fromMs + step,
    }));
    await write(stage.scene.topic, records);
    await listener.replayed({ fromMs: RANGE.fromMs, toMs: RANGE.fromMs + 1 });
    expect(listener.bodies).toEqual(['at 0']);
  });
});

describe('the records', () => {
  test('of other keys on the same partition are not delivered', async () => {
    const listener = await stage.listen();
    const { key, partition } = listener;
    const others = [`${key}0`, `0${key}`, key.slice(1), key.slice(0, -1), '', null, ` ${key}`];
    others.push(`${key.slice(0, -1)}${key.endsWith('1') ? '2' : '1'}`);
    const records = others.flatMap((other, index) => [
      { key: other, value: `foreign ${index}`, timestampMs: FROM + index, eventId: `f${index}`, partition },
      { key, value: `ours ${index}`, timestampMs: FROM + index, partition },
    ]);
    await write(stage.scene.topic, records);
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(others.map((_, index) => `ours ${index}`));
    expect(job.counts).toMatchObject({ matched: others.length, delivered: others.length });
    expect(job.counts.scanned).toBeGreaterThanOrEqual(records.length);
  });

  test('without a value are no events, with an empty value they are', async () => {
    const listener = await stage.listen();
    const { key } = listener;
    await write(stage.scene.topic, [
      { key, value: null, timestampMs: FROM },
      { key, value: null, timestampMs: FROM + 1, eventId: 'deleted' },
      { key, value: '', timestampMs: FROM + 2, eventId: 'deleted' },
      { key, value: Buffer.alloc(0), timestampMs: FROM + 3 },
      { key, value: 'full', timestampMs: FROM + 4 },
    ]);
    const { counts, outcome } = await listener.replayed(RANGE);
    expect(counts).toMatchObject({ matched: 3, delivered: 3, tombstones: 2, duplicates: 0 });
    expect(outcome).toBe('complete');
    expect(sorted(listener.bodies)).toEqual(['', '', 'full']);
    expect(listener.receiver.timesReceived('deleted')).toBe(1);
    const empty = listener.accepted.find(({ webhookId }) => webhookId === 'deleted');
    expect(empty?.headers['content-length']).toBe('0');
  });

  test('of 900 KB arrive byte for byte', async () => {
    const listener = await stage.listen();
    const large = randomBytes(900 * 1024);
    const values = [Buffer.from([0, 255, 10, 13, 0xc3, 0x28]), large];
    const records = values.map((value, index) => ({ key: listener.key, value, timestampMs: FROM + index }));
    await write(stage.scene.topic, records);
    await listener.replayed(RANGE);
    const bodies = listener.accepted
      .map(({ body }) => body)
      .sort((a, b) => (a?.length ?? 0) - (b?.length ?? 0));
    expect(bodies).toHaveLength(2);
    expect(bodies.every((body, index) => values[index]?.equals(body ?? Buffer.alloc(0)))).toBe(true);
  });
});

describe('a range with nothing in it', () => {
  test('of a key that nobody wrote completes with 0', async () => {
    const listener = await stage.listen();
    const job = await listener.replayed(RANGE);
    expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 0, delivered: 0, deadLettered: 0 } });
    expect(listener.receiver.requests).toBe(0);
  });

  test('between two events completes with 0', async () => {
    const listener = await stage.listen();
    const times = [FROM - 1, RANGE.toMs];
    const records = times.map((timestampMs) => ({
      key: listener.key,
      value: String(timestampMs),
      timestampMs,
    }));
    await write(stage.scene.topic, records);
    const job = await listener.replayed(RANGE);
    expect(job).toMatchObject({ outcome: 'complete', gaps: [], counts: { matched: 0, delivered: 0 } });
    expect(listener.receiver.requests).toBe(0);
  });

  test('behind the newest record of the log completes with 0, without reading', async () => {
    const listener = await stage.listen();
    const toMs = Date.now() - 10 * MINUTE;
    const job = await listener.replayed({ fromMs: toMs - 1_000, toMs });
    expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 0, delivered: 0 } });
    const facts = await stage.scene.facts(job.id);
    expect(facts).toEqual(['REQUESTED', 'CLAIMED', 'NOTHING_TO_REPLAY']);
  });
});
