// Several instances share the work through the database alone: one owner per (job, fence), one running job per
// webhook, no instance beyond its pool. Judged by the transitions and by what the receiver saw.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Transition } from '../../src/domain/replay-store.ts';
import type { Instance } from '../support/instance.ts';
import type { Received } from '../support/receiver.ts';
import { Scene } from '../support/scene.ts';
import type { Story, Webhook } from '../support/scene.ts';

const POOL = 2;
const WEBHOOKS = 5;
let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open({ env: { REPRISE_POOL_SIZE: String(POOL), REPRISE_MAX_REPEAT: '40' } });
});
afterEach(() => scene.close());

type Span = readonly [fromMs: number, toMs: number];

interface Asked {
  readonly id: string;
  readonly webhook: Webhook;
  readonly story: Story;
}

/** `rounds` replays of each webhook, the rounds one after the other, asked of both instances in turn. */
async function askMany(instances: readonly [Instance, Instance], rounds: number, events: number) {
  const webhooks = await Promise.all(Array.from({ length: WEBHOOKS }, () => scene.webhook(instances[0])));
  const stories = await Promise.all(
    webhooks.map((webhook, index) => scene.tell(webhook, events, `w${index}`)),
  );
  const asked: Asked[] = [];
  for (let round = 0; round < rounds; round++) {
    const of = instances[round % 2 === 0 ? 0 : 1];
    for (const [index, webhook] of webhooks.entries()) {
      const story = stories[index];
      if (story) asked.push({ id: await scene.replay(of, webhook, story), webhook, story });
    }
  }
  return asked;
}

test('two instances share many replays: none runs twice, a webhook has one at a time', async () => {
  const instances = await Promise.all([scene.start('a'), scene.start('b')]);
  scene.receiver.set({ status: 200, delayMs: 20 });
  const asked = await askMany(instances, 3, 80);
  for (const { id } of asked) await scene.untilState(id, 'COMPLETED');
  const histories = await Promise.all(asked.map(({ id }) => scene.transitions(id)));

  for (const { id, story } of asked) expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(histories.map((steps) => steps.map(({ type }) => type).join())).toEqual(
    asked.map(() => 'REQUESTED,CLAIMED,OFFSETS_RESOLVED,DRAINED'),
  );
  const work = spansByOwner(histories);
  expect(work.size).toBe(2);
  for (const spans of work.values()) expect(mostAtOnce(spans)).toBeLessThanOrEqual(POOL);
  for (const { id } of new Set(asked.map(({ webhook }) => webhook))) {
    const jobs = asked.filter(({ webhook }) => webhook.id === id).map((each) => each.id);
    expect(overlaps(jobs.map((job) => postsOf(job)))).toEqual([]);
  }
});

test('the replays of a killed instance go on at the other, each under one fence at a time', async () => {
  const instances = await Promise.all([scene.start('a'), scene.start('b')]);
  const [a] = instances;
  scene.receiver.set({ status: 200, delayMs: 20 });
  const asked = await askMany(instances, 1, 300);
  const accepted = scene.receiver.accepted;
  await scene.receiver.waitFor((receiver) => receiver.accepted > accepted + 200);
  await a.kill();
  for (const { id } of asked) await scene.untilState(id, 'COMPLETED');

  const histories = await Promise.all(asked.map(({ id }) => scene.transitions(id)));
  expect(histories.flat().some(({ type }) => type === 'RECLAIMED')).toBe(true);
  for (const [index, { id, story }] of asked.entries()) {
    await scene.checkComplete(id, story.ids);
    const claims = histories[index]?.filter(({ type }) => type.endsWith('CLAIMED')) ?? [];
    expect(claims.map(({ fence }) => fence)).toEqual(claims.map((_, count) => count + 1));
    const fences = [...new Set(postsOf(id).map(({ headers }) => headers['reprise-fence']))];
    // The first POST of a fence comes after the last of the one before: they never interleave.
    expect(
      overlaps(fences.map((fence) => postsOf(id).filter((post) => post.headers['reprise-fence'] === fence))),
    ).toEqual([]);
  }
});

const postsOf = (job: string): readonly Received[] =>
  scene.receiver.records.filter(({ headers }) => headers['reprise-job-id'] === job);

/** Names of the groups that began before the one before them had ended; in the order of their first POST. */
function overlaps(groups: readonly (readonly Received[])[]): readonly string[] {
  const spans = groups.map((posts) => ({
    first: Math.min(...posts.map(({ atMs }) => atMs)),
    last: Math.max(...posts.map(({ endedAtMs }) => endedAtMs ?? Infinity)),
  }));
  spans.sort((one, other) => one.first - other.first);
  return spans.flatMap(({ first }, index) => {
    const before = spans[index - 1];
    return before && before.last > first ? [`${first} is before ${before.last}`] : [];
  });
}

/** When each owner held a job, by the facts: [from, to) in ms. */
function spansByOwner(histories: readonly (readonly Transition[])[]): ReadonlyMap<string, readonly Span[]> {
  const spans = new Map<string, Span[]>();
  for (const steps of histories) {
    const claim = steps.find(({ type }) => type === 'CLAIMED');
    const owner = claim?.owner ?? 'nobody';
    const span = [claim?.atMs ?? 0, steps.at(-1)?.atMs ?? 0] as const;
    spans.set(owner, [...(spans.get(owner) ?? []), span]);
  }
  return spans;
}

function mostAtOnce(spans: readonly Span[]): number {
  return Math.max(
    ...spans.map(([from]) => spans.filter(([start, end]) => start <= from && from < end).length),
  );
}
