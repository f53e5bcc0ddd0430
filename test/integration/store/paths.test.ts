// Paths over the machine's graph against the real store: the shortest way to every situation a job can be in, then
// every event there. Store and machine must agree on each step; what the machine refuses leaves the row untouched;
// and at each end stale fences, forged tokens and the owner of an ended lease are refused.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { SteerRequest } from '../../../src/domain/replay-store.ts';
import type { LeaseKey } from '../../../src/domain/store.ts';
import { statesTagged } from '../../../src/machines/replay-job/decide.ts';
import type { Decided } from '../../../src/machines/replay-job/decide.ts';
import { checkHistories, checkTurns, endLease, freshStores, newReplay } from '../../support/database.ts';
import { newWebhook, rowOf, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { bareCut, BEAT, proposalOf } from '../../support/example.ts';
import { after, LEASED, MOVES, REQUESTS, ways } from './ways.ts';
import type { Move } from './ways.ts';

/** Databases worked on at once: a COMMIT waits for the disk, not for the processor. */
const LANES = 4;
let lanes: readonly Stores[];
beforeAll(async () => {
  lanes = await Promise.all(Array.from({ length: LANES }, freshStores));
});
afterAll(() => Promise.all(lanes.map(({ database }) => database.drop())));

async function onLanes<Item>(
  items: readonly Item[],
  work: (item: Item, stores: Stores) => Promise<void>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    lanes.map(async (stores) => {
      for (const item of left) await work(item, stores);
    }),
  );
}

const by = (name: string) => ({ instance: asInstanceId(name), leaseMs: 30_000, maxRepeat: 5 });

/** One job that goes a way; the only one that is not ended, so that a claim gets no other. */
class Walker {
  readonly stores: Stores;
  readonly leases: LeaseKey[] = [];
  job: Decided | null = null;
  id: JobId | null = null;

  constructor(stores: Stores) {
    this.stores = stores;
  }

  /** Went all the moves. */
  static async along(moves: readonly Move[], stores: Stores): Promise<Walker> {
    const walker = new Walker(stores);
    for (const move of moves) await walker.take(move);
    return walker;
  }

  get row() {
    return rowOf(this.stores.database, this.jobId);
  }

  get jobId(): JobId {
    if (!this.id) throw new Error('the job is not born');
    return this.id;
  }

  get lease(): LeaseKey {
    return this.leases.at(-1) ?? { jobId: this.jobId, fence: 0, token: 'none' };
  }

  /** Takes the step in the store and demands what the machine says of it. */
  async take(move: Move): Promise<void> {
    const expected = after(this.job, move);
    expect(await this.#ask(move), `${move.type} in ${this.job?.state ?? 'NEW'}`).toBe(expected !== null);
    this.job = expected ?? this.job;
    await this.agree();
  }

  async agree(): Promise<void> {
    const row = await this.row;
    expect(row.state).toBe(this.job?.state);
    expect(row.wanted).toBe(this.job?.context.wanted);
    expect(row.fence).toBe(this.job?.context.fence);
    expect(row.version).toBe(this.job?.context.lastFact?.seq);
  }

  async #ask(move: Move): Promise<boolean> {
    const { type, n } = move;
    const { database, jobs, replays } = this.stores;
    if (type === 'REQUESTED' && !this.id) {
      this.id = (await newReplay(replays, await newWebhook(replays))).id;
      return true;
    }
    if (type === 'CLAIMED') {
      const claim = await jobs.claim(by('example'));
      if (claim) this.leases.push(claim.lease);
      return claim !== null;
    }
    if (type === 'RECLAIMED') {
      if (!this.job || !LEASED.includes(this.job.state))
        return (await jobs.reclaim(by('example'), 8)).length > 0;
      await endLease(database, this.jobId);
      const claims = await jobs.reclaim(by('example'), 8);
      this.leases.push(...claims.map(({ lease }) => lease));
      return claims.length > 0 || !LEASED.includes((await this.row).state);
    }
    const fact = proposalOf(type, this.lease.fence, n);
    if (!REQUESTS.has(type)) return (await jobs.commit(this.jobId, fact, this.lease)).ok;
    const request = type === 'LIMITS_CHANGED' ? { type, change: { maxRate: 2 }, by: 'op', why: 'x' } : fact;
    return (await replays.steer(TENANT, this.jobId, request as SteerRequest)).ok;
  }

  /** Every write of every owner but the present one, whatever it says; tells how many were refused. */
  async refuseStale(): Promise<number> {
    const before = await this.row;
    const held = LEASED.includes(before.state);
    const forged = { ...this.lease, token: 'forged' };
    const stale = [
      ...this.leases.slice(0, held ? -1 : undefined),
      forged,
      { ...this.lease, fence: before.fence + 1 },
    ];
    const { jobs } = this.stores;
    let refused = 0;
    for (const lease of stale) {
      for (const { type, n } of MOVES) {
        const result = await jobs.commit(this.jobId, proposalOf(type, lease.fence, n), lease, bareCut(99));
        expect(result, `${type} by fence ${lease.fence}`).toMatchObject({ ok: false, why: 'fenced' });
        refused++;
      }
      expect(await jobs.saveCut(lease, bareCut(99))).toBe('fenced');
      expect(await jobs.heartbeat(lease, 30_000, 99, BEAT)).toBe('lost');
      refused += 2;
    }
    expect(await this.row).toEqual(before);
    return refused;
  }

  /** Judged, and gone: the next one's claim finds its own job. */
  async leave(): Promise<void> {
    const { database } = this.stores;
    await checkHistories(database);
    await checkTurns(database);
    await database.query('DELETE FROM replay_jobs');
    await database.query('DELETE FROM job_transitions');
  }
}

it('the graph has every state, and each way ends where it says', () => {
  const states = new Set(ways.map(({ job }) => job?.state));
  expect([...states].sort()).toEqual(
    [...new Set([...statesTagged('live'), ...statesTagged('terminal')])].sort(),
  );
  expect(new Set(ways.map(({ name }) => name)).size).toBe(ways.length);
  expect(ways.length).toBeGreaterThanOrEqual(25);
});

it('store and machine agree on every step of every way, and on every event at its end', async () => {
  let steps = 0;
  let refusals = 0;
  await onLanes(ways, async ({ moves, job }, stores) => {
    const refused = MOVES.filter((move) => after(job, move) === null);
    const walker = await Walker.along(moves, stores);
    const before = await walker.row;
    for (const move of refused) {
      await walker.take(move);
      expect(await walker.row, move.type).toEqual(before);
    }
    refusals += refused.length;
    await walker.leave();
    for (const move of MOVES) {
      if (refused.includes(move)) continue;
      const other = await Walker.along([...moves, move], stores);
      steps += moves.length + 1;
      await other.leave();
    }
  });
  console.log(`${ways.length} ways, ${steps} steps and ${refusals} refusals agreed`);
  expect(refusals).toBeGreaterThan(300);
}, 120_000);

it('stale fences, forged tokens and ended leases are refused at every end', async () => {
  let refusals = 0;
  await onLanes(ways, async ({ moves, job }, stores) => {
    const walker = await Walker.along(moves, stores);
    if (job && LEASED.includes(job.state)) await walker.take({ type: 'RECLAIMED', n: 1 });
    const refused = await walker.refuseStale();
    refusals += refused;
    await walker.leave();
  });
  console.log(`${refusals} stale writes refused`);
  expect(refusals).toBeGreaterThan(1_000);
}, 120_000);
