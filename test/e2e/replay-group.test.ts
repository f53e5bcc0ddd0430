// A group of 200 webhooks on four partitions, one of them dead, over two instances whose places are fewer than its
// jobs: each webhook gets exactly its events, the log is read little more often than once, and the dead one delays
// nobody. And a group whose instance is killed while its jobs are made and run.

import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '../../src/domain/partitioner.ts';
import type { Instance } from '../support/instance.ts';
import type { LogRecord } from '../support/log-writer.ts';
import { freePort } from '../support/ports.ts';
import { Scene } from '../support/scene.ts';
import type { Webhook } from '../support/scene.ts';

const PARTITIONS = 4;
const WEBHOOKS = 200;
const EVENTS = 40;
/** Records of others between them, so that there is a log to read. */
const FILLERS = 24_000;
const PADDING = 1_000;
const BYTES = 'reprise_read_bytes_total';
const QUIET_LOOKS = 20;
const DEADLINE_MS = 240_000;
const FROM_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const SPAN_MS = 600_000;
const range = { from: new Date(FROM_MS).toISOString(), to: new Date(FROM_MS + SPAN_MS).toISOString() };

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.open({
    partitions: PARTITIONS,
    env: { REPRISE_POOL_SIZE: '64', REPRISE_LEASE_MS: '10000', REPRISE_HEARTBEAT_INTERVAL_MS: '1000' },
  });
});
afterEach(() => scene.close());

interface Group {
  readonly id: string;
  readonly state: string;
  readonly pending: number;
  readonly jobs: Readonly<Record<string, number>>;
  readonly counts: { readonly delivered: number };
  readonly progress: { readonly share: number };
}

interface Item {
  readonly id: string;
  readonly webhookId: string;
  readonly state: string;
  readonly outcome: string | null;
}

async function register(instance: Instance, count: number, prefix: string): Promise<readonly Webhook[]> {
  const made: Webhook[] = [];
  for (let n = 0; n < count; n++) {
    made.push(await scene.webhook(instance, { url: new URL(`/${prefix}${n}`, scene.receiver.url).href }));
  }
  return made;
}

/** Each webhook's events over the range, among others' records. */
async function tellAll(webhooks: readonly Webhook[], events: number, fillers: number): Promise<void> {
  const records: LogRecord[] = [];
  const at = (share: number): number => FROM_MS + Math.floor(share * (SPAN_MS - 1));
  for (const [index, { key }] of webhooks.entries()) {
    for (let n = 0; n < events; n++) {
      const eventId = `${index}-${n}`;
      const share = (n + index / webhooks.length) / events;
      records.push({ key, value: `{"event":"${eventId}"}`, timestampMs: at(share), eventId });
    }
  }
  for (let n = 0; n < fillers; n++) {
    const value = randomBytes(PADDING);
    records.push({
      ...{ key: `other-${n % 500}`, value, timestampMs: at(n / fillers), partition: n % PARTITIONS },
    });
  }
  records.sort((one, other) => one.timestampMs - other.timestampMs);
  for (let from = 0; from < records.length; from += 4_000) {
    await scene.writer.write(scene.topic, records.slice(from, from + 4_000));
  }
}

async function look(instance: Instance, id: string): Promise<Group> {
  return (await instance.call<Group>('GET', `/v1/replay-groups/${id}`)).body;
}

async function replaysOf(instance: Instance, id: string): Promise<readonly Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const path = `/v1/replay-groups/${id}/replays?limit=100${query}`;
    const { body } = await instance.call<{ items: Item[]; nextCursor: string | null }>('GET', path);
    items.push(...body.items);
    cursor = body.nextCursor;
  } while (cursor !== null);
  return items;
}

async function bytesFetched(instances: readonly Instance[]): Promise<number> {
  const texts = await Promise.all(instances.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => line.startsWith(`${BYTES}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The same when it has stood still for a while: threads tell it a little late. */
async function allBytes(instances: readonly Instance[], least: number): Promise<number> {
  const seen: number[] = [];
  await scene.fact('the bytes are told', async () => {
    seen.push(await bytesFetched(instances));
    const last = seen.slice(-QUIET_LOOKS);
    return seen.length >= QUIET_LOOKS && new Set(last).size === 1 && (seen.at(-1) ?? 0) >= least;
  });
  return seen.at(-1) ?? NaN;
}

/** What one pass over every partition fetches: by a replay of nothing on each, one after the other. */
async function onePass(instance: Instance, idle: readonly Webhook[]): Promise<number> {
  const before = await bytesFetched([instance]);
  for (const webhook of idle) {
    const id = await scene.replay(instance, webhook, { fromMs: FROM_MS, toMs: FROM_MS + SPAN_MS });
    await scene.untilState(id, 'COMPLETED', 60_000);
  }
  return (await allBytes([instance], before + FILLERS * PADDING)) - before;
}

/** One webhook without events for each partition. */
async function idleOnes(instance: Instance): Promise<readonly Webhook[]> {
  const byPartition = new Map<number, Webhook>();
  while (byPartition.size < PARTITIONS) {
    const webhook = await scene.webhook(instance, { url: new URL('/idle', scene.receiver.url).href });
    byPartition.set(partitionOf(webhook.key, PARTITIONS), webhook);
  }
  return [...byPartition.values()];
}

/** Every webhook got its events, each once, at its own URL, and nothing else. */
function checkReceived(webhooks: readonly Webhook[], except: ReadonlySet<number>, prefix: string): void {
  const got = new Map<string, Set<string>>();
  for (const { path, webhookId } of scene.receiver.records) {
    got.set(path, (got.get(path) ?? new Set()).add(webhookId));
  }
  const wrong = webhooks.flatMap((_webhook, index) => {
    const seen = got.get(`/${prefix}${index}`) ?? new Set();
    const due = except.has(index) ? [] : Array.from({ length: EVENTS }, (_, n) => `${index}-${n}`);
    return seen.size === due.length && due.every((id) => seen.has(id)) ? [] : [`${index}: ${seen.size}`];
  });
  expect(wrong, scene.logs()).toEqual([]);
}

test('each of 200 webhooks gets exactly its events, for less than three passes, whatever one of them does', async () => {
  const a = await scene.start('a');
  const webhooks = await register(a, WEBHOOKS, 'w');
  const [dead] = webhooks;
  if (!dead) throw new Error('no webhook');
  await a.call('PATCH', `/v1/webhooks/${dead.id}`, { url: `http://127.0.0.1:${await freePort()}/` });
  const idle = await idleOnes(a);
  await tellAll(webhooks, EVENTS, FILLERS);
  const pass = await onePass(a, idle);
  const b = await scene.start('b');
  const before = await bytesFetched([a, b]);

  const webhookIds = webhooks.map(({ id }) => id);
  const asked = await a.call<Group>('POST', '/v1/replay-groups', { ...range, webhookIds });
  expect(asked.status, JSON.stringify(asked.body)).toBe(202);
  const { id } = asked.body;
  const done = await scene.fact(
    'all but the dead one are complete',
    async () => {
      const group = await look(b, id);
      return group.jobs['COMPLETED'] === WEBHOOKS - 1 ? group : null;
    },
    DEADLINE_MS,
  );
  const bytes = (await allBytes([a, b], before)) - before;
  console.log(
    `${WEBHOOKS} replays fetched ${bytes} bytes, ${(bytes / pass).toFixed(2)} x one pass (${pass} bytes)`,
  );
  expect(bytes).toBeLessThan(3 * pass);
  // The dead one has not ended, and nobody waited for it.
  expect(done).toMatchObject({ state: 'live', pending: 0, counts: { delivered: (WEBHOOKS - 1) * EVENTS } });
  expect(done.progress.share).toBeGreaterThanOrEqual((WEBHOOKS - 1) / WEBHOOKS);
  checkReceived(webhooks, new Set([0]), 'w');
  const replays = await replaysOf(b, id);
  expect(new Set(replays.map(({ webhookId }) => webhookId))).toEqual(new Set(webhookIds));
  expect(replays.filter(({ outcome }) => outcome === 'complete').length).toBe(WEBHOOKS - 1);
  const owners = new Set<string>();
  for (const replay of replays) {
    const claim = (await scene.transitions(replay.id)).find(({ type }) => type === 'CLAIMED');
    owners.add(claim?.owner ?? 'nobody');
  }
  expect(owners.size).toBe(2);

  await b.call('POST', `/v1/replay-groups/${id}/cancel`, { reason: 'the dead one' });
  const ended = await scene.fact('the group has ended', async () => {
    const group = await look(a, id);
    return group.state === 'ended' ? group : null;
  });
  expect(ended).toMatchObject({ jobs: { COMPLETED: WEBHOOKS - 1, CANCELLED: 1 }, progress: { share: 1 } });
}, 420_000);

test('a group whose instance is killed while it makes the jobs is made and delivered by another', async () => {
  const a = await scene.start('a');
  const webhooks = await register(a, 60, 'k');
  await tellAll(webhooks, EVENTS, 0);
  const b = await scene.start('b');
  const request = a.call<Group>('POST', '/v1/replay-groups', { ...range, all: true }).catch(() => null);
  const made = () =>
    scene.database.query<{ n: string }>('SELECT COUNT(*) AS n FROM replay_jobs WHERE group_id IS NOT NULL');
  await scene.fact('some jobs are made', async () => Number((await made())[0]?.n) > 5);
  await a.kill();
  await request;
  const { body } = await b.call<{ items: { id: string }[] }>('GET', '/v1/replay-groups');
  const [{ id } = { id: '' }] = body.items;
  await scene.fact(
    'every replay is complete',
    async () => (await look(b, id)).jobs['COMPLETED'] === webhooks.length,
    120_000,
  );
  const replays = await replaysOf(b, id);
  expect(replays.map(({ webhookId }) => webhookId).toSorted()).toEqual(
    webhooks.map((webhook) => webhook.id).toSorted(),
  );
  checkReceived(webhooks, new Set(), 'k');
}, 240_000);
