// The site that a replay reads is killed with SIGKILL in the middle of it, alone or with the owner. Real clusters, the
// real MirrorMaker. What decides is what the receiver answered, and the times of the facts.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Fact } from '../../src/domain/fact.ts';
import type { Instance } from '../support/instance.ts';
import { held } from '../support/hold.ts';
import { TwoSites, ownSites, reviveSites } from '../support/two-sites.ts';

const SITE_DOWN_MS = 1_000;
/** The product's promise, beside the configured limit. */
const GOES_ON_MS = 10_000;
const MAX_REPEAT = 40;
/** An instance holds 2 MiB of them and a fetch or two of each source: at HELD_AT most of the log is not read yet. */
const EVENTS = 4_000;
const EVENT_BYTES = 4_000;
const HELD_AT = 1_200;
const ENV = {
  REPRISE_SITE_DOWN_MS: String(SITE_DOWN_MS),
  REPRISE_MAX_REPEAT: String(MAX_REPEAT),
  REPRISE_MEMORY_BUDGET_BYTES: String(2 * 1024 * 1024),
};
const MINUTE_MS = 60_000;
let stack: Stack;
let sites: TwoSites;

beforeAll(async () => {
  stack = await ownSites();
}, 180_000);
afterAll(() => stack.stop({ wipe: true }));
beforeEach(() => reviveSites(stack), 120_000);
afterEach(() => sites.close());

/** The receiver holds its answers from the given one on, until the gate is opened. */
function heldFrom(number: number): ReturnType<typeof held> {
  const gate = held();
  const { receiver } = sites.scene;
  receiver.set(() => (receiver.accepted < number ? { status: 200 } : gate.answer));
  return gate;
}

/** Per site, as the metrics have it: the jobs that read it, and the records before their pinned ends. */
async function sitesIn(instance: Instance) {
  const text = await (await fetch(`${instance.url}/metrics`)).text();
  const perSite = (metric: string): Readonly<Record<string, number>> => {
    const lines = text.matchAll(new RegExp(`^${metric}\\{site="(\\w+)"\\} (\\d+)$`, 'gm'));
    return Object.fromEntries([...lines].map(([, site = '', value]) => [site, Number(value)]));
  };
  return { jobs: perSite('reprise_jobs_reading'), lag: perSite('reprise_site_lag_records') };
}

async function switches(id: string) {
  const facts = (await sites.scene.transitions(id)).map(({ body }) => body);
  return facts.filter(
    (fact): fact is Extract<Fact, { type: 'SITE_SWITCHED' }> => fact.type === 'SITE_SWITCHED',
  );
}

test('the site is killed: the replay goes on at the other one by its memory, and brings what was only there', async () => {
  sites = await TwoSites.open(stack, ENV);
  const { scene } = sites;
  const a = await sites.start('a');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS, EVENT_BYTES);
  stack.freezeMirror();
  await sites.add('dc2', webhook, 'only-at-dc2', story.fromMs + 1);
  const gate = heldFrom(HELD_AT);
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted >= HELD_AT);
  expect(await sitesIn(a)).toMatchObject({ jobs: { dc1: 1, dc2: 0 }, lag: { dc2: 0 } });
  expect((await sitesIn(a)).lag['dc1']).toBeGreaterThan(1_000);
  await stack.killKafka('dc1');
  const killedAtMs = Date.now();
  gate.open();
  scene.receiver.set({ status: 200 });
  await scene.until(id, ({ site }) => site === 'dc2');
  const [fact, ...more] = await switches(id);
  expect(more).toEqual([]);
  expect(fact).toMatchObject({ by: 'memory', why: 'unreachable', from: 'dc1', site: 'dc2', boundAdded: 0 });
  expect((fact?.atMs ?? 0) - killedAtMs).toBeLessThan(GOES_ON_MS + SITE_DOWN_MS);
  // Each source of the dead site still had something to read.
  expect(fact?.pins.filter(({ isLeft, isRead }) => isLeft && !isRead)).toHaveLength(2);
  await scene.until(id, ({ counts }) => counts.delivered === EVENTS + 1);

  expect(await sitesIn(a)).toMatchObject({ jobs: { dc1: 0, dc2: 1 }, lag: { dc1: 0 } });

  // Only the dead site can tell that the other one has all of it.
  expect((await scene.job(id)).state).toBe('ONGOING');
  await stack.startKafka('dc1');
  await scene.untilState(id, 'COMPLETED', 60_000);
  expect(await scene.checkComplete(id, [...story.ids, 'only-at-dc2'], 0)).toBe(0);
  const { duplicateBound, counts } = await scene.job(id);
  expect([duplicateBound, counts.siteSwitches]).toEqual([0, 1]);
}, 180_000);

test('the site and the owner are killed: another instance goes on by the ledger, and keeps what was finished', async () => {
  sites = await TwoSites.open(stack, { ...ENV, REPRISE_MIRROR_WAIT_MS: '1500' });
  const { scene } = sites;
  const a = await sites.start('a');
  await sites.start('b');
  const webhook = await scene.webhook(a);
  const story = await sites.tell(webhook, EVENTS, EVENT_BYTES);
  const gate = heldFrom(HELD_AT);
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted >= HELD_AT);
  const owner = await scene.owner(id);
  await Promise.all([stack.killKafka('dc1'), owner.kill()]);
  const killedAtMs = Date.now();
  const before = await scene.job(id);
  gate.open();
  scene.receiver.set({ status: 200 });

  await scene.untilState(id, 'COMPLETED', 90_000);
  const job = await scene.job(id);
  const facts = await scene.facts(id);
  expect(facts.slice(facts.indexOf('RECLAIMED'))).toEqual([
    'RECLAIMED',
    'SITE_SWITCHED',
    'CONTINUED',
    'ENDS_PINNED',
    'DRAINED',
  ]);
  const [fact] = await switches(id);
  expect(fact).toMatchObject({ by: 'ledger', why: 'unreachable', from: 'dc1', site: 'dc2' });
  const leaseMs = 2_000;
  expect((fact?.atMs ?? 0) - killedAtMs).toBeLessThan(GOES_ON_MS + SITE_DOWN_MS + leaseMs);

  // 0 lost; nobody can prove it of a site that is gone.
  const repeated = await scene.checkComplete(id, story.ids, Infinity, 'incomplete');
  expect(job.gaps.map(({ source, reason }) => [source, reason])).toEqual([
    [sites.source('dc2', 'copy'), 'mirror_unproven'],
  ]);
  expect(job.duplicateBound).toBe(MAX_REPEAT + (fact?.boundAdded ?? 0));
  expect(repeated).toBeLessThanOrEqual(job.duplicateBound);

  // Finished minutes are kept, and nothing of them is sent again.
  const done = fact?.pins[0]?.done?.minutes ?? [];
  expect(fact?.boundAdded).toBeLessThan(before.counts.delivered);
  expect(done.length).toBeGreaterThan(0);
  const isDone = (minute: number): boolean => done.some(([from, to]) => minute >= from && minute < to);
  const again = [...scene.answered(id)].filter(([, times]) => times > 1).map(([event]) => event);
  const step = (story.toMs - story.fromMs) / EVENTS;
  const minuteOf = (event: string): number =>
    Math.floor((story.fromMs + Math.floor(Number(event.slice('e-'.length)) * step)) / MINUTE_MS);
  expect(again.filter((event) => isDone(minuteOf(event)))).toEqual([]);
}, 180_000);
