// What a replay left undone is taken up by a replay of its own: dead letters, a cancelled rest, a gap that was
// mended. Nothing of it is sent twice, however often it is asked for.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkHistory } from '../support/database.ts';
import { held } from '../support/hold.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

interface Shown {
  readonly id: string;
  readonly kind: string;
  readonly parentId: string | null;
  readonly state: string;
  readonly outcome: string | null;
  readonly counts: Record<string, number>;
  readonly code?: string;
}
interface Letter {
  readonly replayId: string;
  readonly offset: string;
  readonly eventId: string;
  readonly state: string;
  readonly lastStatus: number | null;
  readonly byReplayId: string | null;
}

/** Open transactions and deleted records are a whole partition's, so each test has one of its own. */
const PARTITIONS = 12;
let used = 0;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({
    env: { REPRISE_OPEN_TRANSACTION_WAIT_MS: '200', REPRISE_SETTLE_MS: '0' },
    partitions: PARTITIONS,
  });
});
afterAll(() => stage.close());

const listen = (draft = {}) => stage.listen({ key: keyIn(used++, PARTITIONS), ...draft });

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `e${from + index}`);

async function tell({ key }: Listener, events: readonly string[]): Promise<void> {
  const records = events.map((eventId, index) => ({
    key,
    eventId,
    value: `{"event":"${eventId}"}`,
    timestampMs: FROM + index * 100,
  }));
  await stage.log.write(stage.scene.topic, records);
}

const ask = (id: string, verb: string, body?: object) =>
  stage.instance.call<Shown>('POST', `/v1/replays/${id}/${verb}`, body);

async function letters(id: string): Promise<readonly Letter[]> {
  const found: Letter[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? 'limit=2' : `limit=2&cursor=${cursor}`;
    const path = `/v1/replays/${id}/dead-letters?${query}`;
    const { body } = await stage.instance.call<{ items: Letter[]; nextCursor: string | null }>('GET', path);
    found.push(...body.items);
    cursor = body.nextCursor;
  } while (cursor !== null);
  return found;
}

/** Refuses these events for good, and takes all others. */
function refuse({ receiver }: Listener, ...poisoned: readonly string[]): void {
  receiver.set(({ webhookId }) => ({ status: poisoned.includes(webhookId) ? 400 : 200 }));
}

const sorted = (texts: readonly string[]): string[] => [...texts].sort();

describe('dead letters', () => {
  test('are listed by their place, and sent again once however often that is asked', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 40));
    refuse(listener, 'e3', 'e17', 'e39');
    const parent = await listener.replayed(RANGE);
    expect(parent).toMatchObject({ outcome: 'incomplete', counts: { delivered: 37, deadLettered: 3 } });
    const open = await letters(parent.id);
    expect(open.map(({ eventId, state, lastStatus }) => [eventId, state, lastStatus])).toEqual([
      ['e3', 'open', 400],
      ['e17', 'open', 400],
      ['e39', 'open', 400],
    ]);
    refuse(listener);
    const answers = await Promise.all([1, 2, 3].map(() => ask(parent.id, 'dead-letters/replay')));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    const [child, ...others] = [...new Set(answers.map(({ body }) => body.id))];
    expect(others).toEqual([]);
    const done = await stage.scene.untilState(child ?? '', 'COMPLETED');
    expect(done).toMatchObject({ outcome: 'complete', counts: { matched: 3, delivered: 3 } });
    expect(done.spec).toMatchObject({ kind: 'dead_letters', parentJobId: parent.id });
    expect(sorted(listener.ids)).toEqual(sorted(ids(0, 40)));
    expect((await letters(parent.id)).map(({ state, byReplayId }) => [state, byReplayId])).toEqual(
      Array(3).fill(['delivered', child]),
    );
    const again = await ask(parent.id, 'dead-letters/replay');
    expect([again.status, again.body.code]).toEqual([409, 'nothing_undone']);
    await checkHistory(stage.scene.database, done.id);
  });

  test('that are refused again are open again, at the parent and at the child', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 10));
    refuse(listener, 'e2', 'e5');
    const parent = await listener.replayed(RANGE);
    refuse(listener, 'e5');
    const { body: first } = await ask(parent.id, 'dead-letters/replay');
    expect(await stage.scene.untilState(first.id, 'COMPLETED')).toMatchObject({
      outcome: 'incomplete',
      counts: { delivered: 1, deadLettered: 1 },
    });
    const states = async (id: string) =>
      (await letters(id)).map(({ eventId, state }) => `${eventId} ${state}`);
    expect(await states(parent.id)).toEqual(['e2 delivered', 'e5 open']);
    expect(await states(first.id)).toEqual(['e2 delivered', 'e5 open']);
    refuse(listener);
    const { body: second } = await ask(first.id, 'dead-letters/replay', { maxRate: 10, reason: 'mended' });
    expect(await stage.scene.untilState(second.id, 'COMPLETED')).toMatchObject({
      outcome: 'complete',
      counts: { delivered: 1 },
      limits: { maxRate: 10 },
    });
    expect(await states(parent.id)).toEqual(['e2 delivered', 'e5 delivered']);
    expect(sorted(listener.ids)).toEqual(ids(0, 10));
  });

  test('of a cancelled sending are open again', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 6));
    refuse(listener, ...ids(0, 3));
    const parent = await listener.replayed(RANGE);
    const gate = held(503);
    listener.receiver.set(gate.answer);
    const { requests } = listener.receiver;
    const { body: child } = await ask(parent.id, 'dead-letters/replay');
    await listener.receiver.waitFor((receiver) => receiver.requests > requests);
    await ask(child.id, 'cancel');
    gate.open();
    await stage.scene.untilState(child.id, 'CANCELLED');
    expect((await letters(parent.id)).map(({ state }) => state)).toEqual(['open', 'open', 'open']);
    refuse(listener);
    const { body: next } = await ask(parent.id, 'dead-letters/replay');
    expect((await stage.scene.untilState(next.id, 'COMPLETED')).outcome).toBe('complete');
    expect(sorted(listener.ids)).toEqual(ids(0, 6));
  });

  test('whose record is gone from the log expire, with a gap that says so', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 6));
    refuse(listener, 'e0', 'e4');
    const parent = await listener.replayed(RANGE);
    const [first, last] = (await letters(parent.id)).map(({ offset }) => Number(offset));
    await stage.log.deleteBefore(stage.scene.topic, listener.partition, (last ?? 0) - 1);
    refuse(listener);
    const { body } = await ask(parent.id, 'dead-letters/replay');
    const child = await stage.scene.untilState(body.id, 'COMPLETED');
    expect(child).toMatchObject({ outcome: 'incomplete', counts: { delivered: 1 } });
    expect(child.gaps).toMatchObject([{ from: first, to: (first ?? 0) + 1, reason: 'retention' }]);
    expect((await letters(parent.id)).map(({ state }) => state)).toEqual(['expired', 'delivered']);
  });
});

describe('the remainder', () => {
  test('of a cancelled replay is the rest, exactly once, also what was in flight or given up', async () => {
    const listener = await listen({ concurrency: 4 });
    await tell(listener, ids(0, 200));
    const gate = held();
    listener.receiver.set(({ number, webhookId }) =>
      webhookId === 'e5' ? { status: 400 } : number > 60 ? gate.answer : { status: 200 },
    );
    // Slow enough that it cannot end between the request to cancel and the owner's next look.
    const id = await listener.request({ ...RANGE, maxRate: 100 });
    await listener.receiver.waitFor(({ requests }) => requests === 64);
    expect((await ask(id, 'remainder')).body.code).toBe('illegal_state');
    await ask(id, 'cancel', { reason: 'enough' });
    gate.open();
    const parent = await stage.scene.untilState(id, 'CANCELLED');
    expect(parent.counts.delivered).toBeLessThan(100);
    listener.receiver.set({ status: 200 });
    const answers = await Promise.all([1, 2].map(() => ask(id, 'remainder', { maxRate: null })));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const child = await stage.scene.untilState(answers[0]?.body.id ?? '', 'COMPLETED');
    expect(child).toMatchObject({ outcome: 'complete', duplicateBound: 0 });
    expect(child.counts.delivered + parent.counts.delivered).toBe(200);
    expect(sorted(listener.ids)).toEqual(sorted(ids(0, 200)));
    expect((await letters(id)).map(({ eventId, state }) => `${eventId} ${state}`)).toEqual(['e5 delivered']);
    const again = await ask(id, 'remainder');
    expect([again.status, again.body.id]).toEqual([202, child.id]);
    expect((await ask(child.id, 'remainder')).body.code).toBe('nothing_undone');
    await checkHistory(stage.scene.database, child.id);
  });

  test('of a replay with a gap that is readable by now is that gap, and no copy of what was sent', async () => {
    const listener = await listen();
    const { key } = listener;
    await tell(listener, ids(0, 10));
    const record = (eventId: string) => ({ key, eventId, value: eventId, timestampMs: FROM + 5_000 });
    const held = ['e2', 'late1', 'late2'].map(record);
    const transaction = await stage.log.begin(stage.scene.topic, `leftover-${key}`, held);
    const parent = await listener.replayed(RANGE);
    expect(parent).toMatchObject({ outcome: 'incomplete', counts: { delivered: 10 } });
    expect(parent.gaps.map(({ reason }) => reason)).toEqual(['open_transaction']);
    await transaction.commit();
    const { body } = await ask(parent.id, 'remainder');
    const child = await stage.scene.untilState(body.id, 'COMPLETED');
    expect(child).toMatchObject({ outcome: 'complete', counts: { delivered: 2, duplicates: 1 } });
    expect(listener.ids.slice(10)).toEqual(['late1', 'late2']);
  });

  test('is refused when nothing is missing, and when what is missing is gone', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 5));
    const whole = await listener.replayed(RANGE);
    expect((await ask(whole.id, 'remainder')).body.code).toBe('nothing_undone');
    expect((await ask(whole.id, 'dead-letters/replay')).body.code).toBe('nothing_undone');
    await stage.log.deleteBefore(stage.scene.topic, listener.partition, 2);
    const cut = await listener.replayed(RANGE);
    expect(cut.outcome).toBe('incomplete');
    const { status, body } = await ask(cut.id, 'remainder');
    expect([status, body.code]).toEqual([409, 'nothing_undone']);
    expect((await ask('1', 'remainder')).status).toBe(404);
  });

  test('of a replay that was cancelled before it began is all of it', async () => {
    const listener = await listen();
    await tell(listener, ids(0, 5));
    const gate = held(503);
    listener.receiver.set(gate.answer);
    const running = await listener.request(RANGE);
    const waiting = await listener.request(RANGE);
    await ask(waiting, 'cancel');
    await stage.scene.untilState(waiting, 'CANCELLED');
    const { body } = await ask(waiting, 'remainder');
    await ask(running, 'cancel');
    gate.open();
    await stage.scene.untilState(running, 'CANCELLED');
    listener.receiver.set({ status: 200 });
    expect((await stage.scene.untilState(body.id, 'COMPLETED')).outcome).toBe('complete');
    expect(sorted(listener.ids)).toEqual(ids(0, 5));
  });
});
