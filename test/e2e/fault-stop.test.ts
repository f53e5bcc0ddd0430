// An instance is asked to stop (SIGTERM) with a replay half done. It settles what is in flight, writes the cut,
// lets the job go at once and tells the truth with its exit code.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { held, holdRow } from '../support/hold.ts';
import { ownServer } from '../support/own-servers.ts';
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
  const secondMs = performance.now();
  a.signal('SIGTERM');
  expect(await a.exited, a.log).toBe(1);
  expect(performance.now() - secondMs).toBeLessThan(2_000);
  expect((await scene.job(id)).state).toBe('ONGOING');
});

test('the next instance goes on within a second of the signal', async () => {
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')]);
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 400);
  // In flight as the signal comes, and settled before the release.
  scene.receiver.set({ status: 200, delayMs: 50 });
  const id = await scene.replay(a, webhook, story, { maxRate: 200 });
  await scene.receiver.waitFor(({ accepted }) => accepted >= 100);
  const owner = await scene.owner(id);
  const next = owner === a ? b : a;
  const signalledMs = Date.now();
  expect(await owner.stop(), owner.log).toBe(0);
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  const [, claimed] = (await scene.transitions(id)).filter(({ type }) => type === 'CLAIMED');
  expect(claimed?.owner).toMatch(new RegExp(`^${next.name}-`));
  // The database's clock is this machine's.
  expect((claimed?.atMs ?? Infinity) - signalledMs).toBeLessThan(1_000);
  expect(scene.receiver.repeats).toBe(0);
});

test('a request that hangs in the database is broken off: exit 0 in time, for the pool was clean', async () => {
  // So long a lease makes a statement wait for a lock for 5 s, five times over.
  const a = await scene.start('a', { REPRISE_LEASE_MS: '40000', REPRISE_STOP_TIMEOUT_MS: '500' });
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 200);
  const id = await scene.replay(a, webhook, story, { maxRate: 20 });
  await scene.receiver.waitFor(({ requests }) => requests > 0);
  expect((await a.call('POST', `/v1/replays/${id}/pause`)).status).toBe(202);
  await scene.untilState(id, 'PAUSED');
  const lock = await holdRow(scene.database, id);
  try {
    const hanging = a.call('POST', `/v1/replays/${id}/resume`).catch(() => 'broken off');
    await scene.fact('the request waits in the database', async () => (await lockWaiters()) > 0);
    const signalledMs = performance.now();
    expect(await a.stop(), a.log).toBe(0);
    expect(performance.now() - signalledMs).toBeLessThan(4_000);
    expect(await hanging).toBe('broken off');
    expect(a.log).toContain('api does not stop by itself');
  } finally {
    await lock.release();
  }
  expect((await scene.job(id)).state).toBe('PAUSED');
});

test('stopped as its database is killed, with requests under way: exit 0 in time, for it held no work', async () => {
  const stack = await ownServer('database');
  const other = await Scene.open({ databaseUrl: stack.databaseUrl });
  try {
    for (let round = 1; round <= 3; round++) {
      const a = await other.start(`a${round}`, { REPRISE_STOP_TIMEOUT_MS: '3000' });
      const asking = new AbortController();
      const asked = Array.from({ length: 8 }, async () => {
        while (!asking.signal.aborted) await a.call('GET', '/v1/replays').catch(() => undefined);
      });
      const killed = stack.killDatabase();
      const signalledMs = performance.now();
      const code = await a.stop();
      asking.abort();
      expect(code, a.log).toBe(0);
      expect(performance.now() - signalledMs).toBeLessThan(6_000);
      await Promise.all([killed, ...asked]);
      await stack.startDatabase();
    }
  } finally {
    await other.close();
    await stack.stop({ wipe: true });
  }
});

/** Statements that want a row of the jobs for themselves at this moment, beside the claims that skip locked ones. */
async function lockWaiters(): Promise<number> {
  const rows = await scene.database.query<{ info: string }>(
    `SELECT info FROM information_schema.processlist
     WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info IS NOT NULL`,
    [],
  );
  return rows.filter(({ info }) => /replay_jobs.*for update$/is.test(info.trim())).length;
}
