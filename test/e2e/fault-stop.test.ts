// An instance is asked to stop (SIGTERM) with a replay half done. It settles what is in flight, writes the cut,
// lets the job go at once and tells the truth with its exit code.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { held } from '../support/hold.ts';
import { Scene } from '../support/scene.ts';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

test('stopped half way: exit 0, released at once, and the next instance repeats nothing', async () => {
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 800);
  scene.receiver.set(({ number }) => {
    if (number === 300) a.signal('SIGTERM');
    return { status: 200, delayMs: 5 };
  });
  const id = await scene.replay(a, webhook, story);
  expect(await a.exited, a.log).toBe(0);
  // The process ended after the fact, so no lease has to run out.
  const released = await scene.job(id);
  expect([released.state, released.owner, released.leaseUntilMs]).toEqual(['OPEN', null, null]);
  expect(released.counts.delivered).toBe(scene.answered(id).size);
  expect(released.counts.delivered).toBeLessThan(story.ids.length);

  await scene.start('b');
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual([
    'REQUESTED',
    'CLAIMED',
    'OFFSETS_RESOLVED',
    'RELEASED',
    'CLAIMED',
    'CONTINUED',
    'DRAINED',
  ]);
  expect((await scene.job(id)).duplicateBound).toBe(0);
});

test('stopped while the receiver hangs: exit 1 in time, and the lease runs out', async () => {
  const a = await scene.start('a', { REPRISE_STOP_TIMEOUT_MS: '500' });
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 100);
  scene.receiver.set('hang');
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ requests }) => requests > 0);
  expect(await a.stop(), a.log).toBe(1);
  expect((await scene.job(id)).state).toBe('ONGOING');
  await scene.receiver.waitFor(({ records }) => records.every(({ endedAtMs }) => endedAtMs !== null));
  scene.receiver.set({ status: 200 });

  await scene.start('b');
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids)).toBe(0);
});

test('a second signal ends it at once', async () => {
  const a = await scene.start('a', { REPRISE_STOP_TIMEOUT_MS: '60000' });
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 20);
  const gate = held();
  scene.receiver.set(gate.answer);
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ requests }) => requests > 0);
  a.signal('SIGTERM');
  await scene.fact('it says that it stops', () => Promise.resolve(a.log.includes('instance is stopping')));
  a.signal('SIGTERM');
  expect(await a.exited, a.log).toBe(1);
  expect((await scene.job(id)).state).toBe('ONGOING');
});
