// The servers that an instance stands on go away: the database, the brokers, at the start and later. Nothing
// crashes, it is said where one looks, and work goes on when they return. On a stack of its own.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startStack, statusOf } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Instance } from '../support/instance.ts';
import { Scene } from '../support/scene.ts';
import type { SceneOptions } from '../support/scene.ts';

const KEY = { key: 'a-team-s-own-key' };
const PLAIN = ['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED'];
let stack: Stack;
let scene: Scene;

beforeAll(async () => {
  stack = await startStack({ name: `fault-${process.pid}`, tied: true });
}, 120_000);
afterAll(() => stack.stop({ wipe: true }));
afterEach(() => scene.close());

function open(env: SceneOptions['env'] = {}): Promise<Scene> {
  const { brokers, databaseUrl } = stack;
  return Scene.open({ brokers, databaseUrl, env: { REPRISE_MAX_REPEAT: '40', ...env } });
}

interface Readiness {
  readonly status: number;
  readonly database: { readonly problem: string | null };
  readonly sites: readonly { readonly reachable: boolean; readonly problem: string | null }[];
}

/** What /readyz says, once it says anything; the process must be alive to say it. */
async function readiness(instance: Instance, holds: (seen: Readiness) => boolean): Promise<void> {
  await scene.fact(`/readyz: ${holds.toString()}`, async () => {
    const { status, body } = await instance.call<Omit<Readiness, 'status'>>('GET', '/readyz');
    return holds({ ...body, status });
  });
  expect((await instance.call('GET', '/healthz')).status).toBe(200);
}

test('the database is away at the start: alive, not ready, and then it works', async () => {
  scene = await open();
  await stack.killDatabase();
  const a = await scene.launch('a');
  await readiness(a, ({ status, database }) => status === 503 && database.problem !== null);
  const refused = await a.call('GET', '/v1/replays');
  expect([refused.status, refused.body['code']]).toEqual([503, 'database_unavailable']);

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
  await readiness(a, ({ status }) => status === 503);
  await stack.startDatabase();
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual(PLAIN);
  expect(a.log).toContain('database answers again');
});

test('the database is killed for more than a lease: nothing is sent without one, then it goes on', async () => {
  scene = await open();
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 600);
  // Slow answers: some are on their way when the lease ends, and are broken off.
  scene.receiver.set({ status: 200, delayMs: 300 });
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted >= 100);
  await stack.killDatabase();
  await scene.fact('the owner doubts its lease', () => Promise.resolve(a.log.includes('lease near its end')));
  await scene.receiver.waitFor(({ records }) => records.every(({ endedAtMs }) => endedAtMs !== null));
  const requests = scene.receiver.requests;
  await stack.startDatabase();
  expect(scene.receiver.requests).toBe(requests);
  scene.receiver.set({ status: 200 });
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
});

test('Kafka is away at the start: ready with words about it, replays wait, and then they run', async () => {
  scene = await open();
  const story = await scene.tell(KEY, 100);
  await stack.killKafka();
  const a = await scene.launch('a');
  await readiness(
    a,
    ({ status, sites }) =>
      status === 200 && sites.some(({ reachable, problem }) => !reachable && problem !== null),
  );
  const webhook = await scene.webhook(a, KEY);
  const id = await scene.replay(a, webhook, story);
  expect((await scene.job(id)).state).toBe('OPEN');

  await stack.startKafka();
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids, 0);
  await readiness(a, ({ sites }) => sites.every(({ problem }) => problem === null));
});

test('Kafka is killed half way: the owner says what it waits for, and goes on without a reclaim', async () => {
  scene = await open({ REPRISE_MEMORY_BUDGET_BYTES: String(2 * 1024 * 1024) });
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, 3_000, 'e', 4_000);
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted >= 200);
  await stack.killKafka();
  await scene.until(id, ({ heartbeat }) => heartbeat?.waiting?.includes('broker') === true);
  const { body } = await a.call('GET', `/v1/replays/${id}`);
  expect(body).toMatchObject({ state: 'ONGOING', phase: 'waiting' });
  await stack.startKafka();
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual(PLAIN);
});

test('the brokers hang after the claim: the lease is kept, a stop is clean, a kill is reclaimed', async () => {
  scene = await open();
  const story = await scene.tell(KEY, 100);
  const [a] = await Promise.all([scene.start('a'), scene.start('b'), scene.start('c')]);
  const webhook = await scene.webhook(a, KEY);
  const broker = statusOf(stack.name).running['kafka-local'];
  if (broker === undefined) throw new Error('the broker does not run');
  process.kill(broker, 'SIGSTOP');
  try {
    const id = await scene.replay(a, webhook, story);
    const claimed = await scene.untilState(id, 'STARTED');
    await scene.until(id, ({ leaseUntilMs }) => (leaseUntilMs ?? 0) > (claimed.leaseUntilMs ?? 0) + 2_000);
    const first = await scene.owner(id);
    expect(await first.stop(), first.log).toBe(0);
    await scene.until(id, ({ fence }) => fence === 2);
    await (await scene.owner(id)).kill();
    await scene.until(id, ({ fence }) => fence === 3);
    process.kill(broker, 'SIGCONT');
    await scene.untilState(id, 'COMPLETED');
    await scene.checkComplete(id, story.ids, 0);
    expect(await scene.facts(id)).toEqual([
      'REQUESTED',
      'CLAIMED',
      'RELEASED',
      'CLAIMED',
      'RECLAIMED',
      'OFFSETS_RESOLVED',
      'DRAINED',
    ]);
  } finally {
    process.kill(broker, 'SIGCONT');
  }
});
