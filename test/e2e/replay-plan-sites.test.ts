// Plans of two data centres with the real MirrorMaker: the copies are pinned when they are proven, a run reads exactly
// both pins, and a planned site that dies before the run is left for the other one.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Instance } from '../support/instance.ts';
import type { Story, Webhook } from '../support/scene.ts';
import { TwoSites, ownSites, reviveSites } from '../support/two-sites.ts';

const EVENTS = 400;
let stack: Stack;
let sites: TwoSites;

beforeAll(async () => {
  stack = await ownSites();
}, 180_000);
afterAll(() => stack.stop({ wipe: true }));
beforeEach(() => reviveSites(stack), 120_000);
afterEach(() => sites.close());

interface Plan {
  readonly id: string;
  readonly sites: readonly string[];
  readonly maxRecords: number | null;
  readonly sources: readonly {
    readonly source: string;
    readonly start: string;
    readonly end: string | null;
  }[];
  readonly warnings: readonly { readonly code: string }[];
}

async function planned(at: Instance, { id }: Webhook, { fromMs, toMs }: Story, more = {}): Promise<Plan> {
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
  const path = `/v1/webhooks/${id}/replay-plans`;
  const { status, body } = await at.call<Plan>('POST', path, { from, to, ...more });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

async function run(at: Instance, { id }: Webhook, planId: string): Promise<string> {
  const { status, body } = await at.call<{ id: string }>('POST', `/v1/webhooks/${id}/replays`, { planId });
  expect(status, JSON.stringify(body)).toBe(202);
  return body.id;
}

test.each(['failover', 'union'] as const)(
  'a run reads exactly the pins of own and mirrored topics, read %s',
  async (read) => {
    sites = await TwoSites.open(stack);
    const { scene } = sites;
    const a = await sites.start('a');
    const webhook = await scene.webhook(a);
    const story = await sites.tell(webhook, EVENTS);
    const plan = await planned(a, webhook, story, { read });
    const all = [
      sites.source('dc1', 'own'),
      sites.source('dc1', 'copy'),
      sites.source('dc2', 'own'),
      sites.source('dc2', 'copy'),
    ];
    const expected = read === 'union' ? all : all.slice(0, 2);
    expect(plan).toMatchObject({ sites: read === 'union' ? ['dc1', 'dc2'] : ['dc1'], warnings: [] });
    expect(plan.sources.map(({ source }) => source)).toEqual(expected);
    expect(plan.maxRecords).not.toBeNull();
    await sites.add('dc1', webhook, 'late-at-dc1', story.fromMs + 1);
    await sites.add('dc2', webhook, 'late-at-dc2', story.fromMs + 1);
    await sites.untilCopied(webhook, story);
    const id = await run(a, webhook, plan.id);
    const job = await scene.untilState(id, 'COMPLETED');
    await scene.checkComplete(id, story.ids, 0);
    expect(job.counts.scanned).toBeLessThanOrEqual(plan.maxRecords ?? 0);
    expect(await scene.facts(id)).toEqual(['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED']);
  },
  120_000,
);

test('a copy that is not proven yet stays open, is warned of, and the run waits for it', async () => {
  sites = await TwoSites.open(stack);
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  stack.freezeMirror();
  await sites.add('dc2', webhook, 'not-copied', story.fromMs + 1);
  const plan = await planned(a, webhook, story);
  expect(plan).toMatchObject({
    maxRecords: null,
    sources: [{ source: sites.source('dc1', 'own') }, { source: sites.source('dc1', 'copy'), end: null }],
    warnings: [{ code: 'mirror_unproven', source: sites.source('dc1', 'copy') }],
  });
  expect(plan.sources[0]?.end).not.toBeNull();
  await sites.add('dc1', webhook, 'after-the-plan', story.fromMs + 1);
  stack.thawMirror();
  const id = await run(a, webhook, plan.id);
  await scene.untilState(id, 'COMPLETED', 60_000);
  await scene.checkComplete(id, [...story.ids, 'not-copied'], 0);
}, 120_000);

test('a planned site that dies before the run is left for the other one', async () => {
  sites = await TwoSites.open(stack, {
    REPRISE_SITE_DOWN_MS: '1000',
    REPRISE_MIRROR_WAIT_MS: '1500',
  });
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS);
  const plan = await planned(a, webhook, story);
  await stack.killKafka('dc1');
  const id = await run(a, webhook, plan.id);
  const job = await scene.untilState(id, 'COMPLETED', 60_000);
  expect(job.site).toBe('dc2');
  // Nobody can ask the dead site any more whether the copy of it is whole.
  await scene.checkComplete(id, story.ids, 0, 'incomplete');
  const elsewhere = await planned(a, webhook, story);
  expect(elsewhere.sites).toEqual(['dc2']);
  expect(elsewhere.warnings.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['site_unreachable', 'mirror_unproven', 'already_replayed']),
  );
}, 120_000);
