// A replay of one of two data centres, each with the other's copies by the real MirrorMaker: what makes it complete,
// what it waits for, and what it says when nobody can prove that a copy is whole.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Instance } from '../support/instance.ts';
import { TwoSites, ownSites, reviveSites } from '../support/two-sites.ts';

/** Of those that wait for a proof in vain. */
const SHORT_WAIT_MS = 1_500;
const EVENTS = 600;
let stack: Stack;
let sites: TwoSites;

beforeAll(async () => {
  stack = await ownSites();
}, 180_000);
afterAll(() => stack.stop({ wipe: true }));
beforeEach(() => reviveSites(stack), 120_000);
afterEach(() => sites.close());

interface Shown {
  readonly read: string;
  readonly site: string | null;
  readonly evidence: string | null;
  readonly waitingUntil: string | null;
  readonly waiting: string | null;
  readonly pins: readonly {
    readonly source: string;
    readonly copyOf: string | null;
    readonly left: boolean;
  }[];
  readonly gaps: readonly {
    readonly source: string;
    readonly reason: string;
    readonly filledBy: string | null;
  }[];
  readonly counts: { readonly siteSwitches: number; readonly onlyIn: Readonly<Record<string, number>> };
}

/** The replay as REST tells it. */
async function shown(instance: Instance, id: string): Promise<Shown> {
  const { status, body } = await instance.call<Shown>('GET', `/v1/replays/${id}`);
  expect(status).toBe(200);
  return body;
}

test('own and mirrored events are delivered once, complete by the ends that were seen', async () => {
  sites = await TwoSites.open(stack);
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  const id = await scene.replay(a, webhook, story);
  await scene.untilState(id, 'COMPLETED');
  expect(await scene.checkComplete(id, story.ids, 0)).toBe(0);
  expect(await scene.facts(id)).toEqual([
    'REQUESTED',
    'CLAIMED',
    'OFFSETS_RESOLVED',
    'ENDS_PINNED',
    'DRAINED',
  ]);
  expect(await shown(a, id)).toMatchObject({
    read: 'failover',
    site: 'dc1',
    evidence: 'endOffsets',
    waitingUntil: null,
    pins: [
      { source: sites.source('dc1', 'own'), copyOf: null, left: false },
      { source: sites.source('dc1', 'copy'), copyOf: sites.source('dc2', 'own'), left: false },
    ],
    gaps: [],
    counts: { siteSwitches: 0, onlyIn: {} },
  });
}, 120_000);

test('what is not mirrored yet is waited for, and delivered', async () => {
  sites = await TwoSites.open(stack);
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  stack.freezeMirror();
  await sites.add('dc2', webhook, 'late', story.fromMs + 1);
  const id = await scene.replay(a, webhook, story);
  await scene.until(id, ({ counts }) => counts.delivered === EVENTS);
  const waits = await scene.fact('the replay says what it waits for', async () => {
    const seen = await shown(a, id);
    return seen.waiting?.includes('not in the copy yet') === true && seen;
  });
  expect(waits).toMatchObject({ evidence: null, site: 'dc1' });
  expect(Date.parse(waits.waitingUntil ?? '')).toBeGreaterThan(Date.now());
  expect(scene.answered(id).has('late')).toBe(false);

  stack.thawMirror();
  await scene.untilState(id, 'COMPLETED', 60_000);
  expect(await scene.checkComplete(id, [...story.ids, 'late'], 0)).toBe(0);
  expect(await shown(a, id)).toMatchObject({ evidence: 'endOffsets', waitingUntil: null });
}, 120_000);

test('a union delivers at once what only one site has, and counts it', async () => {
  sites = await TwoSites.open(stack);
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  stack.freezeMirror();
  await sites.add('dc2', webhook, 'only-at-dc2', story.fromMs + 1);
  await sites.add('dc1', webhook, 'only-at-dc1', story.toMs - 1);
  await sites.add('dc1', webhook, 'only-at-dc1-too', story.toMs - 1);
  const id = await scene.replay(a, webhook, story, { read: 'union' });
  await scene.untilState(id, 'COMPLETED');
  const all = [...story.ids, 'only-at-dc2', 'only-at-dc1', 'only-at-dc1-too'];
  expect(await scene.checkComplete(id, all, 0)).toBe(0);
  expect(await shown(a, id)).toMatchObject({
    read: 'union',
    site: 'dc1+dc2',
    counts: { siteSwitches: 0, onlyIn: { dc1: 2, dc2: 1 } },
  });
}, 120_000);

test('with MirrorMaker and the upstream gone the replay ends incomplete and says why', async () => {
  sites = await TwoSites.open(stack, {
    REPRISE_MIRROR_WAIT_MS: String(SHORT_WAIT_MS),
    REPRISE_SITE_DOWN_MS: '1000',
  });
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  await stack.killMirror();
  await sites.add('dc2', webhook, 'never-copied', story.fromMs + 1);
  await stack.killKafka('dc2');
  const id = await scene.replay(a, webhook, story);
  await scene.untilState(id, 'COMPLETED', 60_000);
  expect(await scene.checkComplete(id, story.ids, 0, 'incomplete')).toBe(0);
  expect(await shown(a, id)).toMatchObject({
    site: 'dc1',
    // MirrorMaker had been seen alive after the range, which proves nothing about its last records.
    evidence: 'heartbeats',
    gaps: [{ source: sites.source('dc1', 'copy'), reason: 'mirror_unproven', filledBy: null }],
    counts: { siteSwitches: 0 },
  });
}, 120_000);
