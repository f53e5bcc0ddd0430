// Filters inside a range, on real parts: only what passes is delivered, a copy that does not pass hides none that does,
// and what was left out is counted once, whoever dies.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RawRecord } from '../support/kafka-log.ts';
import { Scene } from '../support/scene.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 7_200_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

describe('a replay with filters', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  type Told = Omit<RawRecord, 'key' | 'timestampMs'>;
  async function tell({ key }: Listener, ...records: readonly Told[]): Promise<void> {
    const all = records.map((record, at) => ({ ...record, key, timestampMs: FROM + at }));
    await stage.log.write(stage.scene.topic, all);
  }
  const typed = (eventId: string, type: string | readonly string[], value = eventId): Told => ({
    eventId,
    value,
    headers: { type },
  });
  const replayed = (listener: Listener, filters: readonly object[]) =>
    listener.replayed({ ...RANGE, filters });

  test('delivers what has the header, any of several, case included', async () => {
    const listener = await stage.listen();
    await tell(
      listener,
      typed('a', 'order.created'),
      typed('b', 'order.paid'),
      typed('c', ['x', 'order.created']),
      typed('d', 'order.created.late'),
      { eventId: 'e', value: 'e', headers: { Type: 'order.created' } },
      { eventId: 'f', value: 'f' },
      { eventId: 'g', value: null, headers: { type: 'order.paid' } },
    );
    const job = await replayed(listener, [{ header: 'type', equals: 'order.created' }]);
    expect(sorted(listener.ids)).toEqual(['a', 'c']);
    expect(job.counts).toMatchObject({ matched: 6, filtered: 4, delivered: 2, duplicates: 0, tombstones: 1 });
    expect(job).toMatchObject({ outcome: 'complete', gaps: [] });
    const begun = await replayed(listener, [{ header: 'type', prefix: 'order.created' }]);
    expect(begun.counts).toMatchObject({ delivered: 3, filtered: 3 });
  });

  test('looks into values, and takes what is no JSON for what does not pass', async () => {
    const listener = await stage.listen();
    const values = [
      '{"type":"invoice.paid","data":{"status":"paid","n":1}}',
      '{"type":"invoice.paid","data":{"status":"refunded","n":1.0}}',
      '{"type":"invoice.paid","data":{"status":"open","n":1}}',
      '{"type":"invoice.paid","data":{"status":"paid","n":"1"}}',
      '{"type":"order","data":{"status":"paid","n":1}}',
      '{"type":"invoice.paid","data":{"status":"paid","n":1}',
      '["invoice."]',
      '',
      '['.repeat(400_000),
    ];
    await tell(listener, ...values.map((value, at) => ({ value, eventId: `e${at}` })));
    const { counts } = await replayed(listener, [
      { pointer: '/data/status', in: ['paid', 'refunded'] },
      { pointer: '/type', prefix: 'invoice.' },
      { pointer: '/data/n', equals: 1 },
    ]);
    expect(sorted(listener.ids)).toEqual(['e0', 'e1']);
    expect(counts).toMatchObject({ matched: 9, filtered: 7, delivered: 2, deadLettered: 0 });
  });

  test('is not led astray by copies: one that passes is sent, wherever those lie that do not', async () => {
    const listener = await stage.listen();
    await tell(
      listener,
      typed('before', 'other', 'first'),
      typed('before', 'wanted', 'second'),
      typed('behind', 'wanted', 'third'),
      typed('behind', 'other', 'fourth'),
      typed('twice', 'wanted', 'fifth'),
      typed('twice', 'other', 'sixth'),
      typed('twice', 'wanted', 'seventh'),
      typed('never', 'other'),
    );
    const { counts } = await replayed(listener, [{ header: 'type', equals: 'wanted' }]);
    expect(sorted(listener.bodies)).toEqual(['fifth', 'second', 'third']);
    expect(counts).toMatchObject({ matched: 8, filtered: 4, duplicates: 1, delivered: 3 });
  });

  test('ends complete when nothing passes, and reads the log as another webhook beside it does', async () => {
    const listener = await stage.listen();
    await tell(listener, ...Array.from({ length: 1_500 }, (_, n) => typed(`e${n}`, n % 3 === 0 ? 'a' : 'b')));
    const [none, some, all] = await Promise.all([
      replayed(listener, [{ header: 'type', equals: 'c' }]),
      replayed(listener, [
        { header: 'type', equals: 'a' },
        { pointer: '', equals: 'x' },
      ]),
      replayed(listener, []),
    ]);
    expect(none).toMatchObject({ outcome: 'complete', counts: { filtered: 1_500, delivered: 0 } });
    expect(some).toMatchObject({ outcome: 'complete', counts: { filtered: 1_500, delivered: 0 } });
    expect(all).toMatchObject({ outcome: 'complete', counts: { filtered: 0, delivered: 1_500 } });
  });

  test('sends its dead letters again, and nothing that they did not hold', async () => {
    const poison = 'e30';
    let isMended = false;
    const answer = ({ webhookId }: { webhookId: string }) => ({
      status: webhookId === poison && !isMended ? 400 : 200,
    });
    const listener = await stage.listen({}, { answer });
    await tell(listener, ...Array.from({ length: 60 }, (_, n) => typed(`e${n}`, n % 3 === 0 ? 'a' : 'b')));
    const job = await replayed(listener, [{ header: 'type', equals: 'a' }]);
    expect(job.counts).toMatchObject({ filtered: 40, delivered: 19, deadLettered: 1 });
    isMended = true;
    const again = await stage.instance.call<{ id: string; filters: unknown }>(
      'POST',
      `/v1/replays/${job.id}/dead-letters/replay`,
    );
    expect(again.status).toBe(202);
    expect(again.body.filters).toEqual([{ header: 'type', equals: 'a' }]);
    const second = await stage.scene.untilState(again.body.id, 'COMPLETED');
    expect(second.counts).toMatchObject({ matched: 1, filtered: 0, delivered: 1 });
    expect(listener.ids).toHaveLength(20);
    expect(new Set(listener.ids).size).toBe(20);
  });
});

describe('a replay with filters whose owners are killed', () => {
  const COUNT = 1_500;
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.open({ env: { REPRISE_MAX_REPEAT: '40' } });
  });
  afterEach(() => scene.close());

  test('delivers what passes, and counts what does not exactly once', async () => {
    let owner = await scene.start('a');
    const webhook = await scene.webhook(owner);
    const { key } = webhook;
    const partition = partitionOf(key, scene.partitions);
    // Each event twice: the copy that is left out first, and for every other event once more behind it.
    const records = Array.from({ length: COUNT }, (_, n) => {
      const event = { key, partition, eventId: `e${n}`, timestampMs: FROM + n * 300 };
      const wanted = { ...event, value: `{"n":${n},"ok":true}`, headers: { type: 'wanted' } };
      const left = { ...event, value: `{"n":${n},"ok":false}`, headers: { type: 'wanted' } };
      const other = { ...event, value: `{"n":${n},"ok":true}`, headers: { type: 'other' } };
      return n % 2 === 0 ? [left, wanted, other] : [other, wanted];
    }).flat();
    await scene.writer.write(scene.topic, records);
    scene.receiver.set(({ number }) => {
      if (number === 400 || number === 900) owner.signal('SIGKILL');
      return { status: 200, delayMs: 2 };
    });
    const filters = [
      { header: 'type', equals: 'wanted' },
      { pointer: '/ok', equals: true },
    ];
    const id = await scene.replay(owner, webhook, RANGE, { filters });
    await owner.exited;
    owner = await scene.launch('b');
    await owner.exited;
    await scene.start('c');
    await scene.untilState(id, 'COMPLETED');
    const ids = Array.from({ length: COUNT }, (_, n) => `e${n}`);
    expect(await scene.checkComplete(id, ids)).toBeGreaterThan(0);
    const { counts, reclaims } = await scene.job(id);
    expect(reclaims).toBe(2);
    expect(counts).toMatchObject({
      matched: records.length,
      filtered: records.length - COUNT,
      duplicates: 0,
      delivered: COUNT,
      unknownBelowCut: 0,
    });
  });
});
