// Claim, lease, fence, facts and cuts against the real server.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Proposal } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { Claim, CutWrite, JobStore } from '../../../src/domain/store.ts';
import { CRASH_LOOP_RECLAIMS } from '../../../src/machines/replay-job/decide.ts';
import { checkHistories, checkTurns, endLease, freshStores, removeJobs } from '../../support/database.ts';
import { newReplay, newWebhook, rowOf, TENANT } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';
import { BEAT, fullCut, pinTo, proposalOf } from '../../support/example.ts';

const A = asInstanceId('a');
const B = asInstanceId('b');
const by = (instance = A) => ({ instance, leaseMs: 30_000, maxRepeat: 1000 });
const resolved = (fence: number): Proposal => proposalOf('OFFSETS_RESOLVED', fence, 1);
const asked = { by: 'op', why: 'test' };

let database: TestDatabase;
let jobs: JobStore;
let replays: ReplayStore;

beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
});
afterAll(() => database.drop());

/** After each test every history is sound; then the table is emptied for the next. */
afterEach(async () => {
  await checkHistories(database);
  await checkTurns(database);
  await removeJobs(database);
});

async function claimed(instance = A): Promise<Claim> {
  const claim = await jobs.claim(by(instance));
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

async function started(): Promise<Claim> {
  await newReplay(replays, await newWebhook(replays));
  return claimed();
}

describe('claim', () => {
  it('gives the job with fence 1, a lease and what is durable; then nothing is left', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    const claim = await claimed();
    expect(claim.lease).toMatchObject({ jobId: job.id, fence: 1 });
    expect(claim.job).toMatchObject({ state: 'STARTED', version: 2, owner: A, maxRepeat: 1000, cut: null });
    expect(claim.job.spec).toEqual(job.spec);
    const leftMs = (claim.job.leaseUntilMs ?? 0) - (await jobs.nowMs());
    expect(leftMs).toBeGreaterThan(25_000);
    expect(leftMs).toBeLessThanOrEqual(30_000);
    expect(await jobs.claim(by(B))).toBeNull();
  });

  it('gives each job once to concurrent claimers', async () => {
    for (let n = 0; n < 20; n++) await newReplay(replays, await newWebhook(replays));
    const claims = await Promise.all(
      Array.from({ length: 40 }, (_, n) => jobs.claim(by(asInstanceId(`claimer-${n}`)))),
    );
    const given = claims.filter((claim) => claim !== null);
    // SKIP LOCKED may let a claimer see nothing while others hold the rest: never more than once each.
    expect(new Set(given.map(({ lease }) => lease.jobId)).size).toBe(given.length);
    expect(given.every(({ lease }) => lease.fence === 1)).toBe(true);
    while (await jobs.claim(by()));
    expect(await database.query(`SELECT id FROM replay_jobs WHERE state = 'OPEN'`)).toEqual([]);
  });

  it('runs one job of a webhook at a time and hands the turn on by id', async () => {
    const webhook = await newWebhook(replays);
    const waiting = [];
    for (let n = 0; n < 3; n++) waiting.push(await newReplay(replays, webhook));
    waiting.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    // The turn is the first comer's; ids of one millisecond are in random order.
    const first = await claimed();
    expect(await jobs.claim(by(B))).toBeNull();
    const rest = waiting.filter(({ id }) => id !== first.lease.jobId);
    await jobs.commit(
      first.lease.jobId,
      { type: 'FAILED', fence: 1, reason: 'log_replaced', why: 'x' },
      first.lease,
    );
    const second = await claimed(B);
    expect(second.lease.jobId).toBe(rest[0]?.id);
    await jobs.commit(second.lease.jobId, { type: 'RELEASED', fence: 1, why: 'stop' }, second.lease);
    expect((await claimed()).lease).toMatchObject({ jobId: second.lease.jobId, fence: 2 });
  });

  it('does not see a job whose history holds a fact of a newer version', async () => {
    const unknown = await newReplay(replays, await newWebhook(replays));
    await database.query(`UPDATE job_transitions SET type = 'TELEPORTED' WHERE job_id = ?`, [
      BigInt(unknown.id),
    ]);
    const known = await newReplay(replays, await newWebhook(replays));
    expect((await claimed()).lease.jobId).toBe(known.id);
    expect(await jobs.claim(by())).toBeNull();
    await database.query(`UPDATE job_transitions SET type = 'REQUESTED' WHERE job_id = ?`, [
      BigInt(unknown.id),
    ]);
  });
});

describe('an expired lease', () => {
  it('is reclaimed once, with a higher fence and the last cut; the old owner changes nothing', async () => {
    const old = await started();
    const { jobId } = old.lease;
    expect((await jobs.commit(jobId, resolved(1), old.lease)).ok).toBe(true);
    expect(await jobs.saveCut(old.lease, fullCut(40))).toBe('saved');
    await endLease(database, jobId);
    const taken = await Promise.all([1, 2, 3, 4].map((n) => jobs.reclaim(by(asInstanceId(`r${n}`)), 8)));
    const [claim, ...others] = taken.flat();
    expect(others).toEqual([]);
    expect(claim?.lease.fence).toBe(2);
    expect(claim?.job).toMatchObject({
      reclaims: 1,
      duplicateBound: 1000,
      cut: fullCut(40).cut,
      pins: [pinTo(9)],
      gaps: fullCut(40).gaps,
    });
    expect(claim?.minutes).toEqual(fullCut(40).minutes);
    const before = await rowOf(database, jobId);
    expect(await jobs.heartbeat(old.lease, 30_000, 99, BEAT)).toBe('lost');
    expect(await jobs.saveCut(old.lease, fullCut(50))).toBe('fenced');
    expect(
      await jobs.commit(jobId, { type: 'DRAINED', fence: 1, outcome: 'complete' }, old.lease, fullCut(60)),
    ).toEqual({ ok: false, why: 'fenced', state: 'STARTED' });
    expect(await rowOf(database, jobId)).toEqual(before);
  });

  it('is found by the database clock, and not before', async () => {
    await started();
    expect(await jobs.reclaim(by(B), 8)).toEqual([]);
  });

  it('with a pending request ends in it and is not returned', async () => {
    for (const [type, state] of [
      ['PAUSE_REQUESTED', 'PAUSED'],
      ['CANCEL_REQUESTED', 'CANCELLED'],
    ] as const) {
      const { lease } = await started();
      const asking = await replays.steer(TENANT, lease.jobId, { type, ...asked });
      expect(asking).toMatchObject({ ok: true, state: 'STARTED' });
      await endLease(database, lease.jobId);
      expect(await jobs.reclaim(by(B), 8)).toEqual([]);
      expect(await replays.replay(TENANT, lease.jobId)).toMatchObject({ state, owner: null, wanted: null });
    }
  });

  it('in a crash loop is given up', async () => {
    const { lease } = await started();
    for (let n = 1; n < CRASH_LOOP_RECLAIMS; n++) {
      await endLease(database, lease.jobId);
      expect(await jobs.reclaim(by(B), 8)).toHaveLength(1);
    }
    await endLease(database, lease.jobId);
    expect(await jobs.reclaim(by(B), 8)).toEqual([]);
    expect(await replays.replay(TENANT, lease.jobId)).toMatchObject({
      state: 'FAILED',
      failReason: 'crash_loop',
      fence: 1 + CRASH_LOOP_RECLAIMS,
    });
  });

  it('is taken over up to the limit only', async () => {
    for (let n = 0; n < 5; n++) await endLease(database, (await started()).lease.jobId);
    expect(await jobs.reclaim(by(B), 3)).toHaveLength(3);
    expect(await jobs.reclaim(by(B), 3)).toHaveLength(2);
  });
});

describe('commit', () => {
  it('refuses a wrong token, a stale fence, an illegal fact and an unknown job as values', async () => {
    const { lease } = await started();
    const { jobId } = lease;
    const wrong = { ...lease, token: 'x'.repeat(22) };
    expect(await jobs.commit(jobId, resolved(1), wrong)).toMatchObject({ why: 'fenced' });
    expect(await jobs.commit(jobId, resolved(1), { ...lease, fence: 0 })).toMatchObject({ why: 'fenced' });
    expect(await jobs.commit(jobId, resolved(7), lease)).toMatchObject({ why: 'illegal' });
    expect(await jobs.commit(jobId, { type: 'CONTINUED', fence: 1 }, lease)).toMatchObject({
      ok: false,
      why: 'illegal',
      state: 'STARTED',
    });
    const absent = { ...lease, jobId: '1' as typeof jobId };
    expect(await jobs.commit(absent.jobId, resolved(1), absent)).toEqual({
      ok: false,
      why: 'unknown_job',
      state: null,
    });
    expect(await jobs.heartbeat(wrong, 30_000, 1, BEAT)).toBe('lost');
    expect(await jobs.saveCut(wrong, fullCut(5))).toBe('fenced');
  });

  it('writes cut, counts, dead letters, gaps and minutes in the same transaction as the fact', async () => {
    const { lease } = await started();
    await jobs.commit(lease.jobId, resolved(1), lease);
    const write = fullCut(99);
    const done = await jobs.commit(
      lease.jobId,
      { type: 'DRAINED', fence: 1, outcome: 'incomplete' },
      lease,
      write,
    );
    expect(done).toMatchObject({ ok: true, state: 'COMPLETED', facts: [{ seq: 4, cut: write.cut }] });
    expect(await replays.replay(TENANT, lease.jobId)).toMatchObject({
      state: 'COMPLETED',
      outcome: 'incomplete',
      cut: write.cut,
      counts: write.counts,
      progress: 99,
      gaps: write.gaps,
      leaseUntilMs: null,
      heartbeat: null,
    });
    expect(await database.query('SELECT offset_no, state FROM dead_letters')).toEqual([
      { offset_no: '97', state: 'open' },
    ]);
    expect(await jobs.factsAfter(lease.jobId, 3)).toEqual(done.ok ? done.facts : []);
  });

  it('keeps nothing of a refused commit', async () => {
    const { lease } = await started();
    const refused = await jobs.commit(lease.jobId, { type: 'CONTINUED', fence: 1 }, lease, fullCut(9));
    expect(refused.ok).toBe(false);
    expect(await database.query('SELECT * FROM dead_letters')).toEqual([]);
    expect((await rowOf(database, lease.jobId)).cut).toBeNull();
  });

  it('honours requests at once while nobody holds the lease, and gives the turn away and back', async () => {
    const webhook = await newWebhook(replays);
    const first = await newReplay(replays, webhook);
    const second = await newReplay(replays, webhook);
    const paused = await replays.steer(TENANT, first.id, { type: 'PAUSE_REQUESTED', ...asked });
    expect(paused.ok && paused.facts.map(({ type }) => type)).toEqual(['PAUSE_REQUESTED', 'PAUSED']);
    expect((await claimed()).lease.jobId).toBe(second.id);
    const resumed = await replays.steer(TENANT, first.id, { type: 'RESUME_REQUESTED', ...asked });
    expect(resumed.ok && resumed.facts.map(({ type }) => type)).toEqual(['RESUME_REQUESTED', 'RESUMED']);
    expect(await jobs.claim(by())).toBeNull();
    const cancelled = await replays.steer(TENANT, first.id, { type: 'CANCEL_REQUESTED', ...asked });
    expect(cancelled).toMatchObject({ ok: true, state: 'CANCELLED' });
    expect(await replays.steer(TENANT, first.id, { type: 'RESUME_REQUESTED', ...asked })).toEqual({
      ok: false,
      why: 'illegal',
      state: 'CANCELLED',
    });
  });

  it('leaves a request to the owner while there is one', async () => {
    const { lease } = await started();
    await replays.steer(TENANT, lease.jobId, { type: 'PAUSE_REQUESTED', ...asked });
    expect(await jobs.look(A)).toEqual([
      { jobId: lease.jobId, version: 3, state: 'STARTED', fence: 1, wanted: 'pause', webhookVersion: 1 },
    ]);
    const released = await jobs.commit(lease.jobId, { type: 'RELEASED', fence: 1, why: 'stop' }, lease);
    expect(released.ok && released.facts.map(({ type }) => type)).toEqual(['RELEASED', 'PAUSED']);
    expect(await jobs.look(A)).toEqual([]);
  });

  it('lets one of many concurrent requests write each seq', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        replays.steer(TENANT, job.id, {
          type: 'LIMITS_CHANGED',
          change: { maxRate: n },
          ...asked,
        }),
      ),
    );
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect((await replays.replay(TENANT, job.id))?.version).toBe(13);
  });

  it('keeps the limits that a change does not name, also another’s of the same moment', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    const type = 'LIMITS_CHANGED';
    for (let n = 1; n <= 10; n++) {
      await Promise.all([
        replays.steer(TENANT, job.id, { type, change: { maxRate: n }, ...asked }),
        replays.steer(TENANT, job.id, { type, change: { concurrency: n }, ...asked }),
      ]);
      const { limits } = (await replays.replay(TENANT, job.id)) ?? {};
      expect(limits).toEqual({ maxRate: n, concurrency: n });
    }
    const [last] = await jobs.factsAfter(job.id, 20);
    expect(last).toMatchObject({ type, limits: { maxRate: 10, concurrency: 10 } });
    expect(last).not.toHaveProperty('change');
  });
});

describe('heartbeat and cut', () => {
  it('extend the lease and show what the owner tells, without a transition', async () => {
    const { lease, job } = await started();
    expect(await jobs.heartbeat(lease, 60_000, 7, { ...BEAT, lastRefusal: '😀'.repeat(500) })).toBe('held');
    const view = await replays.replay(TENANT, lease.jobId);
    expect(view).toMatchObject({ version: 2, progress: 7, heartbeat: { phase: 'streaming', rate: 12.5 } });
    expect(view?.leaseUntilMs).toBeGreaterThan((job.leaseUntilMs ?? 0) + 20_000);
    expect(JSON.stringify(view?.heartbeat).length).toBeLessThan(1024);
  });

  it('may be written again: absolute values, nothing doubled', async () => {
    const { lease } = await started();
    for (const next of [5, 5, 6]) expect(await jobs.saveCut(lease, fullCut(next))).toBe('saved');
    expect(await database.query('SELECT offset_no FROM dead_letters ORDER BY offset_no')).toHaveLength(2);
    expect(await database.query('SELECT * FROM job_gaps')).toHaveLength(1);
    expect(await database.query('SELECT delivered FROM minute_ledger')).toEqual([{ delivered: '1' }]);
  });

  it('write all rows or none', async () => {
    const { lease } = await started();
    const minutes = [{ ...fullCut(1).minutes[0], minute: 2 ** 40 }] as CutWrite['minutes'];
    await expect(jobs.saveCut(lease, { ...fullCut(8), minutes })).rejects.toThrow();
    expect((await rowOf(database, lease.jobId)).cut).toBeNull();
    expect(await database.query('SELECT * FROM dead_letters')).toEqual([]);
  });
});

it('registers instances', async () => {
  const detail = { version: '1', listen: ':8080', poolSize: 2, running: 0 };
  await jobs.instanceAlive(A, detail);
  await jobs.instanceAlive(A, { ...detail, running: 2 });
  const [row] = await database.query<{ detail: unknown }>('SELECT detail FROM instances');
  expect(typeof row?.detail === 'string' ? JSON.parse(row.detail) : row?.detail).toMatchObject({
    running: 2,
  });
  await jobs.instanceGone(A);
  expect(await database.query('SELECT * FROM instances')).toEqual([]);
});

it('forgets instances that are silent for an hour, and no others', async () => {
  const detail = { version: '1', listen: ':8080', poolSize: 2, running: 0 };
  for (const id of ['killed', 'busy']) await jobs.instanceAlive(asInstanceId(id), detail);
  const silentFor = (id: string, time: string): Promise<unknown> =>
    database.query(`UPDATE instances SET heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL ${time} WHERE id = ?`, [
      id,
    ]);
  await silentFor('killed', '61 MINUTE');
  await silentFor('busy', '59 MINUTE');
  await jobs.instanceAlive(A, detail);
  expect(await database.query('SELECT id FROM instances ORDER BY id')).toEqual([{ id: A }, { id: 'busy' }]);
  await silentFor(A, '2 HOUR');
  await jobs.instanceAlive(A, detail);
  expect(await database.query('SELECT id FROM instances ORDER BY id')).toEqual([{ id: A }, { id: 'busy' }]);
});
