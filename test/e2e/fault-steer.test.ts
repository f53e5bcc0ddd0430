// Pause, resume, cancel and other limits, asked by another process while an owner works: requests in the
// database that the owner sees within a moment and honours at its cut.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_TENANT, asJobId } from '../../src/domain/ids.ts';
import type { SteerRequest } from '../../src/domain/store.ts';
import { checkHistory } from '../support/database.ts';
import { Scene } from '../support/scene.ts';

const WHO = { by: 'test', why: 'to see what happens' } as const;
let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

async function steer(id: string, request: SteerRequest): Promise<void> {
  expect(await scene.store.steer(DEFAULT_TENANT, asJobId(id), request)).toMatchObject({ ok: true });
}

/** A replay at 100 events/s that has delivered the first `delivered` ones. */
async function slowReplay(events: number, delivered: number) {
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, events);
  const id = await scene.replay(a, webhook, story, { maxRate: 100 });
  await scene.receiver.waitFor(({ accepted }) => accepted >= delivered);
  return { a, id, story };
}

test('paused half way within a second, resumed, and nothing is repeated', async () => {
  const { id, story } = await slowReplay(300, 50);
  const askedAtMs = performance.now();
  await steer(id, { type: 'PAUSE_REQUESTED', ...WHO });
  await scene.until(id, ({ state }) => state === 'PAUSED', 2_000);
  expect(performance.now() - askedAtMs).toBeLessThan(1_500);
  const paused = await scene.job(id);
  expect(paused.pauseReason).toBe('requested');
  expect(paused.counts.delivered).toBe(scene.receiver.accepted);
  expect(scene.receiver.requests).toBe(scene.receiver.accepted);

  await steer(id, { type: 'LIMITS_CHANGED', change: { maxRate: null, concurrency: null }, ...WHO });
  await steer(id, { type: 'RESUME_REQUESTED', ...WHO });
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual([
    'REQUESTED',
    'CLAIMED',
    'OFFSETS_RESOLVED',
    'PAUSE_REQUESTED',
    'PAUSED',
    'LIMITS_CHANGED',
    'RESUME_REQUESTED',
    'RESUMED',
    'CLAIMED',
    'CONTINUED',
    'DRAINED',
  ]);
});

test('pauses that are taken back at once disturb nobody, whenever they come', async () => {
  const { id, story } = await slowReplay(250, 30);
  for (let round = 1; round <= 10; round++) {
    await steer(id, { type: 'PAUSE_REQUESTED', ...WHO });
    await steer(id, { type: 'RESUME_REQUESTED', ...WHO });
    const { accepted } = scene.receiver;
    await scene.receiver.waitFor((receiver) => receiver.accepted > accepted + round);
  }
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
});

test('cancelled half way: it ends at its cut, and the next replay of the webhook runs', async () => {
  const { a, id, story } = await slowReplay(300, 50);
  const { spec } = await scene.job(id);
  const next = await scene.replay(a, { id: spec.webhookId }, story);
  expect((await scene.job(next)).state).toBe('OPEN');
  await steer(id, { type: 'CANCEL_REQUESTED', ...WHO });
  await scene.untilState(id, 'CANCELLED', 2_000);
  const cancelled = await scene.job(id);
  expect(cancelled.counts.delivered).toBe(scene.answered(id).size);
  expect(cancelled.counts.delivered).toBeLessThan(story.ids.length);
  await checkHistory(scene.database, id);
  await scene.untilState(next, 'COMPLETED');
  expect(await scene.checkComplete(next, story.ids, 0)).toBe(0);
  expect(scene.answered(id).size).toBe(cancelled.counts.delivered);
});

test('other limits hold while it runs: the rate goes up, and down again', async () => {
  const { id, story } = await slowReplay(2_000, 30);
  const accepted = scene.receiver.accepted;
  await steer(id, { type: 'LIMITS_CHANGED', change: { maxRate: 2_000, concurrency: null }, ...WHO });
  await scene.receiver.waitFor((receiver) => receiver.accepted > accepted + 600);
  await steer(id, { type: 'LIMITS_CHANGED', change: { maxRate: 20, concurrency: 2 }, ...WHO });
  await scene.fact('the owner is slow again', async () => {
    const { heartbeat } = await scene.job(id);
    return heartbeat !== null && heartbeat.window <= 2;
  });
  const [from, fromMs] = [scene.receiver.accepted, performance.now()];
  await scene.receiver.waitFor((receiver) => receiver.accepted >= from + 20);
  const perSecond = (20 * 1_000) / (performance.now() - fromMs);
  expect(perSecond).toBeLessThan(25);
  await steer(id, { type: 'LIMITS_CHANGED', change: { maxRate: null, concurrency: null }, ...WHO });
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
});

test('a pause waits for nobody when the owner is lost: the reclaim ends in it', async () => {
  const { a, id, story } = await slowReplay(150, 30);
  await a.kill();
  await steer(id, { type: 'PAUSE_REQUESTED', ...WHO });
  await scene.start('b');
  await scene.until(id, ({ state }) => state === 'PAUSED');
  expect((await scene.facts(id)).slice(-3)).toEqual(['PAUSE_REQUESTED', 'RECLAIMED', 'PAUSED']);
  await steer(id, { type: 'RESUME_REQUESTED', ...WHO });
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
});
