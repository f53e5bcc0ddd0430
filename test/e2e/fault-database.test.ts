// The database goes away, at the start and later, killed and frozen. Nothing crashes, it is said where one looks,
// nothing is sent without a lease, and work goes on when it returns. On a database of its own.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Instance } from '../support/instance.ts';
import { freeze, ownServer, readinessOf, revive } from '../support/own-servers.ts';
import type { Readiness } from '../support/own-servers.ts';
import { Scene } from '../support/scene.ts';
import type { SceneOptions } from '../support/scene.ts';

/** The scene's own. */
const LEASE_MS = 2_000;
const PLAIN = ['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED'];
let stack: Stack;
let scene: Scene;

beforeAll(async () => {
  stack = await ownServer('database');
}, 120_000);
afterAll(() => stack.stop({ wipe: true }));
afterEach(async () => {
  await scene.close();
  await revive(stack);
});

function open(env: SceneOptions['env'] = {}): Promise<Scene> {
  const { databaseUrl } = stack;
  return Scene.open({ databaseUrl, env: { REPRISE_MAX_REPEAT: '40', ...env } });
}

/** Waits until /readyz says so. */
function readyz(instance: Instance, holds: (seen: Readiness) => boolean): Promise<boolean> {
  return scene.fact(`/readyz: ${holds.toString()}`, async () => holds(await readinessOf(instance)));
}

test('the database is away at the start: alive, not ready, and then it works', async () => {
  scene = await open();
  await stack.killDatabase();
  const a = await scene.launch('a');
  await readyz(a, ({ status, database }) => status === 503 && database.problem !== null);
  const refused = await a.call('GET', '/v1/replays');
  expect([refused.status, refused.body['code']]).toEqual([503, 'database_unavailable']);

  const b = await scene.launch('b');
  await readyz(b, ({ status }) => status === 503);
  expect(await b.stop(), b.log).toBe(0);

  await stack.startDatabase();
  await a.ready();
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 100);
  const id = await scene.replay(a, webhook, story);
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids, 0);
});

test('the database is killed for less than a lease: the owner goes on, and nothing is repeated', async () => {
  scene = await open({ REPRISE_LEASE_MS: '40000' });
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 600);
  const id = await scene.replay(a, webhook, story, { maxRate: 200 });
  await scene.receiver.waitFor(({ accepted }) => accepted >= 100);
  await stack.killDatabase();
  await readyz(a, ({ status }) => status === 503);
  await stack.startDatabase();
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual(PLAIN);
  expect(a.log).toContain('database answers again');
});

test.each([
  ['is killed', () => stack.killDatabase(), () => stack.startDatabase()],
  ['hangs', () => freeze(stack, 'database', 'SIGSTOP'), () => freeze(stack, 'database', 'SIGCONT')],
] as const)(
  'the database %s for more than a lease: nothing is sent meanwhile, then it goes on',
  async (_, end, back) => {
    // At this rate the lease ends long before the repeat bound is used up: the stop must come from it.
    scene = await open({ REPRISE_MAX_REPEAT: '500' });
    const [a] = await Promise.all([scene.start('a'), scene.start('b')]);
    const webhook = await scene.webhook(a);
    const story = await scene.tell(webhook, 600);
    // Slow answers: some are on their way when the lease ends, and are broken off.
    scene.receiver.set({ status: 200, delayMs: 300 });
    const id = await scene.replay(a, webhook, story, { maxRate: 100 });
    await scene.receiver.waitFor(({ accepted }) => accepted >= 50);
    const owner = await scene.owner(id);
    const endedMs = performance.now();
    let backMs: number;
    try {
      await end();
      await scene.receiver.waitFor(({ records }) => records.every((each) => each.endedAtMs !== null));
      await readyz(owner, ({ status }) => status === 503);
      backMs = performance.now();
    } finally {
      scene.receiver.set({ status: 200 });
      await back();
    }
    await scene.untilState(id, 'COMPLETED');
    await scene.checkComplete(id, story.ids);
    const late = scene.receiver.records.filter(({ atMs }) => atMs > endedMs + LEASE_MS && atMs < backMs);
    expect(late).toEqual([]);
    expect(owner.log).toContain('lease near its end');
  },
);
