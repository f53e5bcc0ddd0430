// A cluster of three brokers with three copies of everything. The leader of the partition that a replay reads is
// killed, and all brokers are restarted one after another: the replay follows the leaders and keeps its owner.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { ownServer } from '../support/own-servers.ts';
import { Scene } from '../support/scene.ts';
import { TopicAdmin } from '../support/topic-admin.ts';

const BROKERS = [1, 2, 3];
const PLAIN = ['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED'];
const EVENTS = 12_000;
const EVENT_BYTES = 4_000;
/** What an instance may hold in memory, and a part of the story that is more than that and two fetches. */
const BUDGET_BYTES = 2 * 1024 * 1024;
const PART = 1_500;
/** The lease is the default one: a machine busy with three brokers may stand still for seconds. */
const ENV = { REPRISE_MEMORY_BUDGET_BYTES: String(BUDGET_BYTES), REPRISE_LEASE_MS: '30000' };
const DEADLINE_MS = 120_000;
let stack: Stack;
let scene: Scene;
let admin: TopicAdmin;

beforeAll(async () => {
  stack = await ownServer('kafka', BROKERS.length);
}, 180_000);
afterAll(() => stack.stop({ wipe: true }));
afterEach(async () => {
  await admin.close();
  await scene.close();
});

/** The broker that leads the partition, when all three have all of it. */
function leaderInSync(partition: number): Promise<number> {
  const look = async (): Promise<number | null> => {
    const { leader, inSync } = await admin.placeOf(scene.topic, partition);
    return inSync.length === BROKERS.length && leader > 0 ? leader : null;
  };
  return scene.fact(`partition ${partition} has a leader and three copies in sync`, look, DEADLINE_MS);
}

/** The receiver is quick for the next part of the story, then slow: a fault finds the rest in the log. */
function nextPart(): Promise<boolean> {
  const limit = scene.receiver.accepted + PART;
  scene.receiver.set(() => ({ status: 200, delayMs: scene.receiver.accepted < limit ? 0 : 2_000 }));
  const look = () => Promise.resolve(scene.receiver.accepted >= limit);
  return scene.fact('the next part is delivered', look, DEADLINE_MS);
}

test('the leader is killed, then all brokers restart in turn: complete, each event once, no reclaim', async () => {
  const { brokers } = stack;
  scene = await Scene.open({ brokers, env: ENV });
  admin = await TopicAdmin.open(brokers);
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, EVENTS, 'e', EVENT_BYTES);
  const partition = partitionOf(webhook.key, scene.partitions);
  expect(PART * EVENT_BYTES).toBeGreaterThan(BUDGET_BYTES);
  const leader = await leaderInSync(partition);

  const id = await scene.replay(a, webhook, story);
  await nextPart();
  await stack.killKafka('local', leader);
  const follows = async () => ![-1, leader].includes((await admin.placeOf(scene.topic, partition)).leader);
  await scene.fact('another broker leads', follows, DEADLINE_MS);
  await nextPart();
  await stack.startKafka('local', leader);

  let leadersStopped = 0;
  for (const broker of BROKERS) {
    if ((await leaderInSync(partition)) === broker) leadersStopped += 1;
    await stack.stopKafka('local', broker);
    await nextPart();
    await stack.startKafka('local', broker);
  }
  // Each of these brokers went away before the replay was through.
  expect((await scene.job(id)).state).toBe('ONGOING');
  expect(leadersStopped).toBeGreaterThan(0);

  scene.receiver.set({ status: 200 });
  await scene.untilState(id, 'COMPLETED', DEADLINE_MS);
  expect(await scene.facts(id)).toEqual(PLAIN);
  await scene.checkComplete(id, story.ids, 0);
}, 600_000);
