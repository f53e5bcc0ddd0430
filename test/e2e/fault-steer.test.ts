// Pause, resume, cancel and other limits, asked by another process while an owner works: requests in the
// database that the owner sees within a moment and honours at its cut.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_TENANT, asJobId } from '../../src/domain/ids.ts';
import type { SteerRequest } from '../../src/domain/replay-store.ts';
import { checkHistory } from '../support/database.ts';
import type { Instance } from '../support/instance.ts';
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

describe('asked by REST of an instance that is not the owner', () => {
  const SECOND = 1_000;

  interface Elsewhere {
    readonly id: string;
    readonly ids: readonly string[];
    /** As the lease names it. */
    readonly owner: string;
    readonly other: Instance;
  }

  /** A replay that has delivered for half a second at one of two instances, and the other one. */
  async function elsewhere(events: number, maxRate: number): Promise<Elsewhere> {
    const [a, b] = await Promise.all([scene.start('a'), scene.start('b')]);
    const webhook = await scene.webhook(a);
    const { ids, ...range } = await scene.tell(webhook, events);
    // Some are always on their way.
    scene.receiver.set({ status: 200, delayMs: 30 });
    const id = await scene.replay(a, webhook, range, { maxRate });
    await scene.receiver.waitFor(({ accepted }) => accepted >= maxRate / 2);
    const { owner } = await scene.job(id);
    const other = owner?.startsWith('a-') ? b : a;
    expect(owner).toMatch(/^[ab]-/);
    expect(owner).not.toMatch(new RegExp(`^${other.name}-`));
    return { id, ids, owner: owner ?? '', other };
  }

  /** When the other instance had answered with 202; its answer shows who owns the replay. */
  async function ask(
    { id, owner, other }: Elsewhere,
    method: 'POST' | 'PATCH',
    verb: string,
    body?: unknown,
  ): Promise<number> {
    const answer = await other.call<{ owner: string | null }>(method, `/v1/replays/${id}${verb}`, body);
    const answeredMs = performance.now();
    expect(answer.status).toBe(202);
    expect([owner, null]).toContain(answer.body.owner);
    return answeredMs;
  }

  /** So much time in which POSTs would have come, had nobody listened. */
  const untilMoment = (atMs: number) =>
    scene.fact('the time has passed', () => Promise.resolve(performance.now() >= atMs));

  const arrivals = (fromMs: number, toMs = Infinity): readonly number[] =>
    scene.receiver.records.map(({ atMs }) => atMs).filter((atMs) => atMs >= fromMs && atMs < toMs);

  /** The fact was the owner's own, not the other's. */
  async function expectGranted({ id, owner }: Elsewhere, type: string): Promise<void> {
    const facts = await scene.transitions(id);
    expect(facts.filter((fact) => fact.type === type).map((fact) => fact.owner)).toEqual([owner]);
    expect(facts.map((fact) => fact.type)).not.toContain('RECLAIMED');
  }

  test('a pause: no POST later than a second after the answer; resumed, no event comes twice', async () => {
    const steered = await elsewhere(300, 100);
    const { id, ids } = steered;
    const answeredMs = await ask(steered, 'POST', '/pause');
    await scene.untilState(id, 'PAUSED', 2 * SECOND);
    await expectGranted(steered, 'PAUSED');
    await untilMoment(answeredMs + 2 * SECOND);
    expect(arrivals(answeredMs + SECOND)).toEqual([]);
    expect(scene.receiver.requests).toBeLessThan(ids.length);

    await ask(steered, 'POST', '/resume');
    await scene.untilState(id, 'COMPLETED');
    expect(await scene.checkComplete(id, ids, 0)).toBe(0);
    expect([scene.receiver.requests, scene.receiver.repeats]).toEqual([ids.length, 0]);
  });

  test('a cancel: no POST later than a second after the answer, and none twice', async () => {
    const steered = await elsewhere(300, 100);
    const { id, ids } = steered;
    const answeredMs = await ask(steered, 'POST', '/cancel');
    await scene.untilState(id, 'CANCELLED', 2 * SECOND);
    await expectGranted(steered, 'CANCELLED');
    await untilMoment(answeredMs + 2 * SECOND);
    expect(arrivals(answeredMs + SECOND)).toEqual([]);
    const { requests, accepted, repeats } = scene.receiver;
    expect(requests).toBeLessThan(ids.length);
    expect([accepted, repeats]).toEqual([requests, 0]);
    expect((await scene.job(id)).counts.delivered).toBe(accepted);
  });

  test('another rate holds a second after the answer, down and up', async () => {
    const steered = await elsewhere(2_000, 200);
    const stalls = monitorEventLoopDelay({ resolution: 5 });
    stalls.enable();
    /** The most in a second of the `seconds` that begin one second after the answer, and all of them. */
    const watch = async (maxRate: number, seconds: number) => {
      const fromMs = (await ask(steered, 'PATCH', '', { maxRate })) + SECOND;
      const toMs = fromMs + seconds * SECOND;
      stalls.reset();
      await untilMoment(toMs);
      const seen = arrivals(fromMs, toMs);
      const inSecond = seen.map((from) => arrivals(from, Math.min(from + SECOND, toMs)).length);
      // What came while this process stood still has piled up: it is the clock.
      const piled = Math.ceil((maxRate * (20 + stalls.max / 1e6)) / SECOND);
      return { count: seen.length, most: Math.max(...inSecond), piled };
    };
    const slow = await watch(20, 3);
    // The rate and one burst: 100 ms of it, and no less than one.
    expect(slow.most).toBeLessThanOrEqual(20 + 2 + slow.piled);
    expect(slow.count).toBeGreaterThan(45);
    const fast = await watch(300, 2);
    expect(fast.most).toBeLessThanOrEqual(300 + 30 + fast.piled);
    // Far above what was allowed before, also on a busy machine.
    expect(fast.count).toBeGreaterThan(200);
    await ask(steered, 'PATCH', '', { maxRate: 2_000 });
    await scene.untilState(steered.id, 'COMPLETED');
    expect(await scene.checkComplete(steered.id, steered.ids, 0)).toBe(0);
    expect(scene.receiver.repeats).toBe(0);
    expect((await scene.job(steered.id)).reclaims).toBe(0);
  });
});
