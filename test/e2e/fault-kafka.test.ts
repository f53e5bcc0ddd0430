// The brokers go away, at the start and later, killed and frozen. The instance stays ready and says it in words,
// replays wait under their lease, and work goes on when they return. On a broker of its own.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import { held } from '../support/hold.ts';
import type { Instance } from '../support/instance.ts';
import { freeze, ownServer, readinessOf, revive } from '../support/own-servers.ts';
import type { Readiness } from '../support/own-servers.ts';
import { Scene } from '../support/scene.ts';
import type { SceneOptions } from '../support/scene.ts';

const KEY = { key: 'a-team-s-own-key' };
const PLAIN = ['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED'];
let stack: Stack;
let scene: Scene;

beforeAll(async () => {
  stack = await ownServer('kafka');
}, 120_000);
afterAll(() => stack.stop({ wipe: true }));
afterEach(async () => {
  await scene.close();
  await revive(stack);
});

function open(env: SceneOptions['env'] = {}): Promise<Scene> {
  const { brokers } = stack;
  return Scene.open({ brokers, env: { REPRISE_MAX_REPEAT: '40', ...env } });
}

/** Waits until /readyz says so. */
function readyz(instance: Instance, holds: (seen: Readiness) => boolean): Promise<boolean> {
  return scene.fact(`/readyz: ${holds.toString()}`, async () => holds(await readinessOf(instance)));
}

test('Kafka is away at the start: ready with words about it, replays wait, and then they run', async () => {
  scene = await open();
  const story = await scene.tell(KEY, 100);
  await stack.killKafka();
  const a = await scene.launch('a');
  await readyz(
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
  await readyz(a, ({ sites }) => sites.every(({ problem }) => problem === null));
});

test('Kafka is killed half way: the owner says what it waits for, and goes on without a reclaim', async () => {
  scene = await open({ REPRISE_MEMORY_BUDGET_BYTES: String(2 * 1024 * 1024) });
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  // More than the instance holds in memory, so that most of it is still in the log.
  const story = await scene.tell(webhook, 3_000, 'e', 4_000);
  const gate = held();
  scene.receiver.set(({ number }) => (number <= 200 ? { status: 200 } : gate.answer));
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted === 200);
  await stack.killKafka();
  gate.open();
  await scene.fact('the replay says that it waits for a broker', async () => {
    const { body } = await a.call('GET', `/v1/replays/${id}`);
    return body['phase'] === 'waiting' && String(body['waiting']).startsWith('broker');
  });
  await readyz(a, ({ status, sites }) => status === 200 && sites.some(({ reachable }) => !reachable));
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
  await freeze(stack, 'kafka-local', 'SIGSTOP');
  try {
    const id = await scene.replay(a, webhook, story);
    const claimed = await scene.untilState(id, 'STARTED');
    await scene.until(id, ({ leaseUntilMs }) => (leaseUntilMs ?? 0) > (claimed.leaseUntilMs ?? 0) + 2_000);
    const first = await scene.owner(id);
    expect(await first.stop(), first.log).toBe(0);
    await scene.until(id, ({ fence }) => fence === 2);
    await (await scene.owner(id)).kill();
    await scene.until(id, ({ fence }) => fence === 3);
    await freeze(stack, 'kafka-local', 'SIGCONT');
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
    await freeze(stack, 'kafka-local', 'SIGCONT');
  }
});
