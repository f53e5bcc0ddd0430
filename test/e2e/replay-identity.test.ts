// When two records are the same event: by the `event-id` header, else by the value; and as what it is delivered.

import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from '../support/stage.ts';
import type { RawRecord } from '../support/kafka-log.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 7_200_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

type Told = Omit<RawRecord, 'key' | 'timestampMs'> & { readonly afterMs: number };

async function tell(key: string, ...records: readonly Told[]): Promise<void> {
  const all = records.map(({ afterMs, ...record }) => ({ ...record, key, timestampMs: FROM + afterMs }));
  await stage.log.write(stage.scene.topic, all);
}
const sorted = (texts: readonly string[]): string[] => [...texts].sort();
const sha256 = (data: string | Buffer): string => hash('sha256', data, 'base64url');

describe('records are one event', () => {
  test('with the same event-id, whatever else differs: the first is delivered', async () => {
    const listener = await stage.listen();
    await tell(listener.key, { eventId: 'a', value: 'first a', afterMs: 1 });
    await tell(listener.key, { eventId: 'b', value: 'first b', afterMs: 2 });
    await tell(
      listener.key,
      { eventId: 'a', value: 'second a', afterMs: 300_000 },
      { eventId: 'b', value: 'first b', afterMs: 2 },
      { eventId: 'a', value: 'third a', afterMs: 3 },
    );
    const { counts } = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['first a', 'first b']);
    expect(sorted(listener.ids)).toEqual(['a', 'b']);
    expect(counts).toMatchObject({ matched: 5, duplicates: 3, delivered: 2 });
  });

  test('with the same value and no event-id, at whatever time', async () => {
    const listener = await stage.listen();
    await tell(
      listener.key,
      { value: 'same', afterMs: 1 },
      { value: 'same', afterMs: 1 },
      { value: 'other', afterMs: 2 },
      { value: 'same', afterMs: 500_000 },
    );
    const { counts } = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['other', 'same']);
    expect(counts).toMatchObject({ matched: 4, duplicates: 2, delivered: 2 });
    expect(sorted(listener.ids)).toEqual(sorted([`v_${sha256('other')}`, `v_${sha256('same')}`]));
  });

  test('only inside the range: a copy before it suppresses nothing', async () => {
    const listener = await stage.listen();
    await tell(
      listener.key,
      { eventId: 'a', value: 'a', afterMs: -1 },
      { eventId: 'a', value: 'a', afterMs: 0 },
      { eventId: 'b', value: 'b', afterMs: 600_000 },
      { eventId: 'b', value: 'b', afterMs: 599_999 },
    );
    const { counts } = await listener.replayed(RANGE);
    expect(sorted(listener.ids)).toEqual(['a', 'b']);
    expect(counts).toMatchObject({ matched: 2, duplicates: 0, delivered: 2 });
  });

  test('of one webhook only: another webhook gets its own', async () => {
    const [one, two] = [await stage.listen(), await stage.listen()];
    await tell(one.key, { eventId: 'shared', value: 'for one', afterMs: 0 });
    await tell(two.key, { eventId: 'shared', value: 'for two', afterMs: 0 });
    await Promise.all([one.replayed(RANGE), two.replayed(RANGE)]);
    expect([one.bodies, two.bodies]).toEqual([['for one'], ['for two']]);
  });
});

describe('records are different events', () => {
  test('with different event-ids and the same value', async () => {
    const listener = await stage.listen();
    await tell(
      listener.key,
      { eventId: 'a', value: 'same', afterMs: 0 },
      { eventId: 'b', value: 'same', afterMs: 0 },
      { value: 'same', afterMs: 0 },
      { eventId: '', value: 'same', afterMs: 0 },
    );
    const { counts } = await listener.replayed(RANGE);
    expect(sorted(listener.ids)).toEqual(['a', 'b', `v_${sha256('same')}`]);
    expect(counts).toMatchObject({ matched: 4, duplicates: 1, delivered: 3 });
  });

  test('with equal values at different times, where value+time is the identity', async () => {
    const keeper = await stage.scene.start('value-and-time', { REPRISE_EVENT_IDENTITY: 'value+time' });
    const listener = await stage.listen();
    await tell(
      listener.key,
      { value: 'same', afterMs: 1 },
      { value: 'same', afterMs: 2 },
      { value: 'same', afterMs: 1 },
      { eventId: 'a', value: 'same', afterMs: 1 },
      { eventId: 'a', value: 'same', afterMs: 2 },
    );
    const id = await listener.request(RANGE, keeper);
    const { counts } = await stage.scene.untilState(id, 'COMPLETED');
    expect(counts).toMatchObject({ matched: 5, duplicates: 2, delivered: 3 });
    const named = [1, 2].map((afterMs) => `t_${FROM + afterMs}_${sha256('same')}`);
    expect(sorted(listener.ids)).toEqual(sorted(['a', ...named]));
    await keeper.stop();
  });
});

describe('an event-id', () => {
  test.each([
    ['with a newline', 'a\r\nx-evil: 1'],
    ['of 300 characters', 'x'.repeat(300)],
    ['of other letters', 'évènement'],
    ['with a space', 'a b'],
    ['of a null byte', '\0'],
  ])('%s is delivered under its hash, copies once', async (_what, eventId) => {
    const listener = await stage.listen();
    await tell(listener.key, { eventId, value: 'v', afterMs: 0 }, { eventId, value: 'w', afterMs: 1 });
    const { counts } = await listener.replayed(RANGE);
    expect(listener.ids).toEqual([`h_${sha256(Buffer.from(eventId))}`]);
    expect(listener.accepted[0]?.headers).not.toHaveProperty('x-evil');
    expect(counts).toMatchObject({ duplicates: 1, delivered: 1, deadLettered: 0 });
  });

  test('of 128 characters is delivered as it is; of several headers the last one names the event', async () => {
    const listener = await stage.listen();
    const longest = `${'Az09_-'.repeat(21)}AB`;
    await tell(
      listener.key,
      { eventId: longest, value: 'a', afterMs: 0 },
      { eventId: ['first', 'last'], value: 'b', afterMs: 1 },
      { eventId: ['other', 'last'], value: 'c', afterMs: 2 },
    );
    await listener.replayed(RANGE);
    expect(sorted(listener.ids)).toEqual(sorted([longest, 'last']));
    expect(longest).toHaveLength(128);
  });
});
