// Completion events as a webhook gets them: signed, once each, and under SIGKILL of the sender at each step between
// the end of a replay and the mark that it was told, at least once under one id.

import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CompletionEvent } from '../../src/domain/completion-body.ts';
import { COMPLETION_TYPES } from '../../src/domain/completion.ts';
import { held, holdTransition } from '../support/hold.ts';
import type { Instance } from '../support/instance.ts';
import { checkManifest } from '../support/manifest-checker.ts';
import { Receiver } from '../support/receiver.ts';
import type { Received } from '../support/receiver.ts';
import { Scene } from '../support/scene.ts';
import type { Webhook as Registered } from '../support/scene.ts';

/** The lease of an event is this and five seconds. */
const REQUEST_TIMEOUT_MS = 3_000;
let scene: Scene;
/** With bodies, unlike the scene's. */
let receiver: Receiver;

beforeEach(async () => {
  scene = await Scene.open({ env: { REPRISE_REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) } });
  receiver = await Receiver.start();
});
afterEach(async () => {
  await scene.close();
  await receiver.close();
});

const asking = (instance: Instance): Promise<Registered> =>
  scene.webhook(instance, { url: receiver.url, notifications: COMPLETION_TYPES });
const isEvent = ({ headers }: Received): boolean => headers['reprise-notification'] !== undefined;
const events = (): readonly Received[] => receiver.records.filter(isEvent);
const took = (): readonly Received[] => events().filter(({ status }) => status === 200);
const bodyOf = ({ body }: Received): CompletionEvent => JSON.parse(String(body)) as CompletionEvent;
const rows = () =>
  scene.database.query<{ seq: number; type: string; state: string; attempts: number }>(
    'SELECT seq, type, state, attempts FROM outbox ORDER BY job_id, seq',
  );
const settled = () =>
  scene.fact('every event is settled', async () => {
    const all = await rows();
    return all.every(({ state }) => state !== 'pending') && all;
  });

/** All attempts were of one event: the end of the replay; and it was taken at least once. */
async function isOneEvent(id: string, secret: string): Promise<void> {
  const [end] = (await scene.transitions(id)).slice(-1);
  expect(end?.to).toBe('COMPLETED');
  expect(took().length).toBeGreaterThan(0);
  expect(new Set(events().map(({ webhookId }) => webhookId))).toEqual(
    new Set([`reprise_${id}_${String(end?.seq)}`]),
  );
  expect(new Set(events().map(({ body }) => String(body))).size).toBe(1);
  for (const { body, headers } of events()) {
    new Webhook(secret).verify(String(body), headers as Record<string, string>);
  }
  expect((await settled()).map(({ type, state }) => [type, state])).toEqual([
    ['replay.completed', 'delivered'],
  ]);
}

test('tell of each pause, end and cancel, signed, with a manifest that the receiver can check', async () => {
  const a = await scene.start('a');
  const webhook = await asking(a);
  const silent = await scene.webhook(a, { url: receiver.url });
  const story = await scene.tell(webhook, 300);
  receiver.set((request) => ({ status: 200, ...(!isEvent(request) && { delayMs: 20 }) }));
  const id = await scene.replay(a, webhook, story, { concurrency: 2 });
  await receiver.waitFor(({ accepted }) => accepted > 20);
  await a.call('POST', `/v1/replays/${id}/pause`);
  await scene.untilState(id, 'PAUSED');
  await a.call('POST', `/v1/replays/${id}/resume`);
  await a.call('PATCH', `/v1/replays/${id}`, { concurrency: 64 });
  await scene.untilState(id, 'COMPLETED');
  const other = await scene.replay(a, webhook, {
    fromMs: story.fromMs - 100_000,
    toMs: story.fromMs - 99_000,
  });
  await scene.untilState(other, 'COMPLETED');
  const unheard = await scene.replay(a, silent, story);
  await scene.untilState(unheard, 'COMPLETED');
  await settled();

  const told = took().map((request) => bodyOf(request));
  expect(told.map(({ type, data }) => [type, data.replayId, data.state, data.final])).toEqual([
    ['replay.paused', id, 'PAUSED', false],
    ['replay.completed', id, 'COMPLETED', true],
    ['replay.completed', other, 'COMPLETED', true],
  ]);
  for (const { body, headers } of events()) {
    const seen = new Webhook(webhook.secret).verify(String(body), headers as Record<string, string>);
    expect(seen).toHaveProperty('timestamp');
    expect(headers['reprise-job-id']).toBeUndefined();
  }
  const { body: whole } = await a.call('GET', `/v1/replays/${id}/manifest`);
  const { nextCursor, ...manifest } = whole;
  expect(nextCursor).toBeNull();
  expect(told[1]?.data).toMatchObject(manifest);
  const lines = receiver.records
    .filter((request) => !isEvent(request) && request.status === 200)
    .map(({ webhookId, headers }) => ({
      ...{ id: webhookId, time: headers['reprise-event-time'], job: headers['reprise-job-id'] },
    }));
  expect(await checkManifest([told[1]], lines)).toMatchObject({ exit: 0 });
  const metrics = await (await fetch(`${a.url}/metrics`)).text();
  expect(metrics).toMatch(
    /^reprise_completion_attempts_total\{type="replay.completed",outcome="delivered"\} 2$/m,
  );
  expect(metrics).toMatch(/^reprise_outbox_pending 0$/m);
});

test('a receiver that refuses them is asked again, and one that is gone is not', async () => {
  const a = await scene.start('a', { REPRISE_RETRY_BASE_MS: '50' });
  const webhook = await asking(a);
  let refusals = 0;
  receiver.set((request) => ({ status: isEvent(request) && ++refusals <= 3 ? 500 : 200 }));
  const range = { fromMs: Date.now() - 3_600_000, toMs: Date.now() - 3_599_000 };
  const first = await scene.replay(a, webhook, range);
  await scene.untilState(first, 'COMPLETED');
  expect(await settled()).toMatchObject([{ state: 'delivered', attempts: 4 }]);
  await isOneEvent(first, webhook.secret);
  receiver.set({ status: 410 });
  await scene.replay(a, webhook, range);
  await scene.fact('the second one is given up', async () => (await rows())[1]?.state === 'given_up');
  expect(await rows()).toMatchObject([{}, { attempts: 1 }]);
});

describe('the sender is killed', () => {
  async function begun(): Promise<{ a: Instance; webhook: Registered; id: string; seq: number }> {
    const a = await scene.start('a');
    const webhook = await asking(a);
    const story = await scene.tell(webhook, 20);
    const id = await scene.replay(a, webhook, story);
    // REQUESTED, CLAIMED, OFFSETS_RESOLVED, DRAINED.
    return { a, webhook, id, seq: 4 };
  }

  test('in the transaction of the end', async () => {
    const gate = held();
    receiver.set((request) => (isEvent(request) ? { status: 200 } : gate.answer));
    const { a, webhook, id, seq } = await begun();
    await receiver.waitFor(({ requests }) => requests > 0);
    const lock = await holdTransition(scene.database, id, seq);
    gate.open();
    await scene.fact('the end waits for its transition', () =>
      runs('%job_transitions%').then((threads) => threads.length > 0),
    );
    await a.kill();
    await lock.release();
    expect(await rows()).toEqual([]);
    await scene.start('b');
    await scene.untilState(id, 'COMPLETED');
    await settled();
    await isOneEvent(id, webhook.secret);
  });

  test('after the end, before the event is taken', async () => {
    // Whoever takes an event waits for this lock, which the test holds.
    const name = `gate-${randomBytes(6).toString('hex')}`;
    const holder = await scene.database.connect();
    await holder.query('SELECT GET_LOCK(?, 0)', [name]);
    await scene.database.query(
      `CREATE TRIGGER outbox_gate BEFORE UPDATE ON outbox FOR EACH ROW SET @gate = GET_LOCK('${name}', 60)`,
    );
    const { a, webhook, id } = await begun();
    await scene.untilState(id, 'COMPLETED');
    await scene.fact('the event is being taken', () =>
      runs('User lock').then((threads) => threads.length > 0),
    );
    await a.kill();
    await holder.query('SELECT RELEASE_LOCK(?)', [name]);
    await scene.database.query('DROP TRIGGER outbox_gate');
    expect(events()).toEqual([]);
    expect(await rows()).toMatchObject([{ state: 'pending', attempts: 0 }]);
    await scene.start('b');
    await settled();
    await isOneEvent(id, webhook.secret);
    expect(events()).toHaveLength(1);
  });

  test('while the receiver has it', async () => {
    const gate = held();
    receiver.set((request) => (isEvent(request) ? gate.answer : { status: 200 }));
    const { a, webhook, id } = await begun();
    await receiver.waitFor(() => events().length > 0);
    await a.kill();
    receiver.set({ status: 200 });
    await scene.start('b');
    await settled();
    await isOneEvent(id, webhook.secret);
    expect(events().length).toBeGreaterThan(1);
  });

  test('after the receiver took it, before that is written', async () => {
    const gate = held();
    receiver.set((request) => (isEvent(request) ? gate.answer : { status: 200 }));
    const { a, webhook, id } = await begun();
    await receiver.waitFor(() => events().length > 0);
    const holder = await scene.database.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT * FROM outbox WHERE job_id = ? FOR UPDATE', [BigInt(id)]);
    gate.open();
    await receiver.waitFor(() => took().length > 0);
    const marking = await scene.fact('the mark waits for its row', async () => {
      const threads = await runs('update `outbox`%');
      return threads.length > 0 && threads;
    });
    await a.kill();
    // The server would go on with a statement whose client is dead: as if it had been killed before that.
    for (const thread of marking) await holder.query(`KILL ${thread}`);
    await scene.fact('the mark is gone', () =>
      runs('update `outbox`%').then((threads) => threads.length === 0),
    );
    await holder.query('ROLLBACK');
    expect(await rows()).toMatchObject([{ state: 'pending', attempts: 1 }]);
    receiver.set({ status: 200 });
    await scene.start('b');
    await settled();
    await isOneEvent(id, webhook.secret);
    expect(took().length).toBe(2);
  });
});

/** Threads with a statement, or in a state, like this one. */
async function runs(like: string): Promise<readonly string[]> {
  const threads = await scene.database.query<{ id: string }>(
    `SELECT id AS id FROM information_schema.processlist
     WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep' AND (info LIKE ? OR state LIKE ?)`,
    [like, like],
  );
  return threads.map(({ id }) => id);
}
