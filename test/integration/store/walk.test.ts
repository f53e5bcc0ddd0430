// Random walks: owners with right, stale and forged leases, requests, cuts and expiries in any order. The pure
// machine predicts each answer; after each step the folds equal the rows and no turn is lost.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FACT_TYPES } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReplayStore, SteerRequest } from '../../../src/domain/replay-store.ts';
import type { JobStore, LeaseKey } from '../../../src/domain/store.ts';
import { decide, statesTagged } from '../../../src/machines/replay-job/decide.ts';
import { decidedOf } from '../../../src/store/job-row.ts';
import { checkHistories, checkTurns, endLease, freshStores, removeJobs } from '../../support/database.ts';
import { newReplay, newWebhook, rowOf, TENANT } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';
import { bareCut, BEAT, proposalOf, stamped } from '../../support/example.ts';

const n = fc.nat(40);
const job = fc.nat(2);
const lease = fc.constantFrom('own', 'own', 'own', 'own', 'stale', 'forged');
/** Ends of a job are rare and its way is frequent, else most walks are over soon. */
const type = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...FACT_TYPES) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'OFFSETS_RESOLVED',
      'CONTINUED',
      'ENDS_PINNED',
      'SITE_SWITCHED',
      'DRAINED',
      'RELEASED',
    ),
  },
);
const stepOf = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const), job }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      job,
      n,
      lease,
      type,
      skew: fc.constantFrom(0, 0, 0, 0, 1, -1),
      cut: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), job, n, lease }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('steer' as const),
      job,
      n,
      type: fc.constantFrom(
        'PAUSE_REQUESTED',
        'RESUME_REQUESTED',
        'RESUME_REQUESTED',
        'RESUME_REQUESTED',
        'LIMITS_CHANGED',
        'LIMITS_CHANGED',
        'CANCEL_REQUESTED',
      ),
    }),
  },
);
type Step = typeof stepOf extends fc.Arbitrary<infer Value> ? Value : never;

let database: TestDatabase;
let jobs: JobStore;
let replays: ReplayStore;

beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
});
afterAll(() => database.drop());

/** Three jobs, two of them of one webhook, and the leases that were ever given. */
class World {
  readonly ids: LeaseKey['jobId'][] = [];
  readonly leases = new Map<string, LeaseKey[]>();

  async begin(): Promise<void> {
    const webhook = await newWebhook(replays);
    for (const id of [webhook, webhook, await newWebhook(replays)]) {
      this.ids.push((await newReplay(replays, id)).id);
    }
  }

  remember(key: LeaseKey): void {
    this.leases.set(key.jobId, [...(this.leases.get(key.jobId) ?? []), key]);
  }

  leaseOf(id: LeaseKey['jobId'], kind: 'own' | 'stale' | 'forged'): LeaseKey {
    const given = this.leases.get(id) ?? [];
    const none = { jobId: id, fence: 0, token: 'none' };
    if (kind === 'stale') return given.at(-2) ?? none;
    const own = given.at(-1) ?? none;
    return kind === 'own' ? own : { ...own, token: 'forged' };
  }
}

const request = { instance: asInstanceId('walker'), leaseMs: 30_000, maxRepeat: 5 };

async function commits(world: World, step: Extract<Step, { do: 'commit' }>): Promise<void> {
  const id = world.ids[step.job];
  if (!id) return;
  const key = world.leaseOf(id, step.lease);
  const row = await rowOf(database, id);
  const before = decidedOf(row);
  if (!before.context.spec) throw new Error('a row without a spec');
  const fact = proposalOf(step.type, key.fence + step.skew, step.n, before.context.spec);
  const held = statesTagged('leased').includes(row.state) && row.lease_token === key.token;
  const begins = step.type === 'CLAIMED' || step.type === 'RECLAIMED';
  const legal = !begins && decide(before, stamped(fact, row.version + 1)) !== null;
  const expected = held && row.fence === key.fence ? (legal ? 'ok' : 'illegal') : 'fenced';
  const result = await jobs.commit(id, fact, key, step.cut ? bareCut(step.n) : undefined);
  expect(result.ok ? 'ok' : result.why, `${step.type} in ${row.state}`).toBe(expected);
  if (!result.ok) expect(await rowOf(database, id)).toEqual(row);
}

async function take(world: World, step: Step): Promise<void> {
  const id = 'job' in step ? world.ids[step.job] : undefined;
  switch (step.do) {
    case 'claim': {
      const claim = await jobs.claim(request);
      if (claim) world.remember(claim.lease);
      return;
    }
    case 'expire':
      if (!id || (await rowOf(database, id)).lease_until === null) return;
      await endLease(database, id);
      for (const claim of await jobs.reclaim(request, 3)) world.remember(claim.lease);
      return;
    case 'commit':
      return commits(world, step);
    case 'cut': {
      if (!id) return;
      const key = world.leaseOf(id, step.lease);
      const row = await rowOf(database, id);
      const held = row.lease_token === key.token && row.fence === key.fence;
      expect(await jobs.saveCut(key, bareCut(step.n))).toBe(held ? 'saved' : 'fenced');
      expect(await jobs.heartbeat(key, 30_000, step.n, BEAT)).toBe(held ? 'held' : 'lost');
      return;
    }
    case 'steer': {
      if (!id) return;
      const before = decidedOf(await rowOf(database, id));
      if (!before.context.spec) throw new Error('a row without a spec');
      const fact = proposalOf(step.type, 0, step.n, before.context.spec);
      const change = step.n % 2 ? { maxRate: step.n + 0.5 } : { concurrency: step.n };
      const who = { by: `op ${step.n}`, why: 'walk' };
      const limited = step.type === 'LIMITS_CHANGED';
      const request = (limited ? { type: step.type, change, ...who } : fact) as SteerRequest;
      const result = await replays.steer(TENANT, id, request);
      expect(result.ok).toBe(decide(before, stamped(fact)) !== null);
      const { limits } = decidedOf(await rowOf(database, id)).context;
      expect(limits).toEqual({ ...before.context.limits, ...(limited && result.ok && change) });
    }
  }
}

it('fold equals row after each step of any walk', async () => {
  const moved = new Set<string>();
  const walk = fc.asyncProperty(
    fc.array(stepOf, { minLength: 30, maxLength: 60, size: 'max' }),
    async (steps) => {
      await removeJobs(database);
      const world = new World();
      await world.begin();
      for (const step of steps) {
        await take(world, step);
        await checkHistories(database);
        await checkTurns(database);
      }
      const types = await database.query<{ type: string }>('SELECT DISTINCT type FROM job_transitions');
      for (const { type } of types) moved.add(type);
    },
  );
  await fc.assert(walk, { numRuns: 30, seed: 20_261_122, endOnFailure: true });
  console.log(`facts committed: ${[...moved].sort().join(', ')}`);
  expect(moved.size).toBeGreaterThanOrEqual(16);
}, 120_000);
