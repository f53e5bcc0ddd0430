// An owner that lives but cannot reach its row. While heartbeats and cuts do not get through, it must stop by its
// own clock before the database would let another take over; connections that die under it must not matter.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { held, holdRow, killConnections } from '../support/hold.ts';
import { Scene } from '../support/scene.ts';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

test('an owner without heartbeats breaks its requests off before the lease ends', async () => {
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 400);
  const gate = held();
  scene.receiver.set(({ number }) => (number <= 100 ? { status: 200 } : gate.answer));
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted === 100);
  const lock = await holdRow(scene.database, id);
  const { leaseUntilMs, fence } = await scene.job(id);
  await scene.receiver.waitFor(({ records }) => records.every(({ endedAtMs }) => endedAtMs !== null));
  expect(fence).toBe(1);
  expect(Date.now()).toBeLessThan(leaseUntilMs ?? 0);
  scene.receiver.set({ status: 200 });
  await lock.release();

  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
  // Either its own heartbeat came first, and the broken attempts are told apart, or a reclaim did.
  const job = await scene.job(id);
  const broken = scene.receiver.records.filter(({ status }) => status === null).length;
  if (job.reclaims === 0) expect(job.counts.unanswered).toBeGreaterThanOrEqual(broken);
  else expect(job.fence).toBe(2);
});

test('database connections that are killed again and again cost neither the lease nor a repeat', async () => {
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 600);
  const id = await scene.replay(a, webhook, story, { maxRate: 400 });
  for (let requests = 50; requests <= 550; requests += 50) {
    await scene.receiver.waitFor((receiver) => receiver.requests >= requests);
    await killConnections(scene.database);
  }
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual(['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED']);
});
