// Pruning at work: in batches, cut off, beside other instances and beside those who claim and run jobs.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { keepPruning } from '../../../src/actors/pruning.ts';
import type { JobStore } from '../../../src/domain/store.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { checkTurns, freshStores, newReplay, removeJobs } from '../../support/database.ts';
import { TENANT, threadsRunning } from '../../support/database.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { fullCut, proposalOf } from '../../support/example.ts';
import { AgedJobs, GONE, request, RETENTION_MS, WHOLE } from './aged-jobs.ts';

let database: TestDatabase;
let jobs: JobStore;
let replays: Stores['replays'];
let aged: AgedJobs;
beforeAll(async () => {
  const stores = await freshStores();
  ({ database, jobs, replays } = stores);
  aged = new AgedJobs(stores);
});
afterAll(() => database.drop());
afterEach(async () => {
  await checkTurns(database);
  await removeJobs(database);
});

const prune = (limit = 100): Promise<number> => jobs.prune(RETENTION_MS, limit);

describe('a batch', () => {
  it('has no more jobs than asked for', async () => {
    for (let n = 0; n < 5; n++) await aged.old();
    expect(await prune(2)).toBe(2);
    expect(await prune(2)).toBe(2);
    expect(await prune(2)).toBe(1);
    expect(await prune(2)).toBe(0);
  });

  it('stops after a job with very many rows, which goes as a whole', async () => {
    const big = await aged.old();
    await aged.old();
    const minutes = Array.from({ length: 12_000 }, (_, n) => [
      BigInt(big),
      n + 1,
      1,
      '0'.repeat(32),
      0,
      '0'.repeat(32),
    ]);
    const columns = 'job_id, minute, delivered, delivered_digest, dead_lettered, dead_lettered_digest';
    await database.query(`INSERT INTO minute_ledger (${columns}) VALUES ?`, [minutes]);
    await aged.set(big, 'updated_at = updated_at - INTERVAL 1 DAY');
    expect(await prune()).toBe(1);
    expect(await aged.rows(big)).toEqual(GONE);
    expect(await prune()).toBe(1);
  }, 30_000);

  it('keeps nothing half when it is cut off', async () => {
    const id = await aged.old();
    const rogue = await database.connect();
    await rogue.query('BEGIN');
    await rogue.query('SELECT seq FROM job_transitions WHERE job_id = ? FOR UPDATE', [BigInt(id)]);
    const pruning = prune();
    const [victim] = await expect
      .poll(() => threadsRunning(database, '%DELETE FROM `job_transitions`%'), { timeout: 5_000 })
      .toHaveLength(1)
      .then(() => threadsRunning(database, '%DELETE FROM `job_transitions`%'));
    expect(await aged.rows(id)).toEqual(WHOLE);
    await database.query(`KILL ${String(victim)}`);
    await rogue.query('ROLLBACK');
    expect(await pruning).toBe(1);
    expect(await aged.rows(id)).toEqual(GONE);
  });
});

describe('beside others', () => {
  it('several instances take each job once', async () => {
    for (let n = 0; n < 12; n++) await aged.old();
    const stores = [1, 2, 3, 4].map(() => createJobStore(database.open({ poolSize: 2 })));
    const work = async (store: JobStore): Promise<number> => {
      let gone = 0;
      for (let batch = -1; batch !== 0; gone += batch) batch = await store.prune(RETENTION_MS, 2);
      return gone;
    };
    const gone = await Promise.all(stores.map(work));
    expect(gone.reduce((sum, jobs) => sum + jobs, 0)).toBe(12);
    expect(await aged.left()).toEqual([]);
  });

  it('requests, claims, cuts and ends of jobs behind those of an open batch go on', async () => {
    const old = await aged.old();
    await database.query('UPDATE dead_letters SET by_job = 1');
    const running = await aged.claimed();
    await jobs.saveCut(running.lease, fullCut(9));
    const { webhookId: webhook } = (await replays.replay(TENANT, old))?.spec ?? running.job.spec;
    const waiting = [await newReplay(replays, webhook), await newReplay(replays, webhook)];
    const rogue = await database.connect();
    await rogue.query('BEGIN');
    await rogue.query('SELECT seq FROM job_transitions WHERE job_id = ? FOR UPDATE', [BigInt(old)]);
    const pruning = prune();
    await expect
      .poll(() => threadsRunning(database, '%DELETE FROM `job_transitions`%'), { timeout: 5_000 })
      .toHaveLength(1);
    database.signals.length = 0;
    expect(await jobs.saveCut(running.lease, fullCut(9))).toBe('saved');
    expect(await jobs.commit(running.job.id, proposalOf('FAILED', 1, 1), running.lease)).toMatchObject({
      ok: true,
    });
    for (let n = 0; n < waiting.length; n++) {
      const claim = await jobs.claim(request);
      if (!claim) throw new Error('nothing to claim');
      expect(await jobs.commit(claim.job.id, proposalOf('FAILED', 1, n), claim.lease)).toMatchObject({
        ok: true,
      });
      await newReplay(replays, webhook);
    }
    expect(database.signals.filter(({ name }) => name === 'store.retry')).toEqual([]);
    await rogue.query('ROLLBACK');
    expect(await pruning).toBe(1);
  });
});

describe('the loop', () => {
  it('works off all batches, tells once how many went, and ends with its signal', async () => {
    for (let n = 0; n < 3; n++) await aged.old();
    const told: unknown[] = [];
    const batches: number[] = [];
    const stopping = new AbortController();
    const store = {
      pruneKeys: () => Promise.resolve(0),
      prune: async (retentionMs: number, limit: number) => {
        expect(limit).toBeLessThanOrEqual(100);
        const batch = await jobs.prune(retentionMs, 2);
        batches.push(batch);
        return batch;
      },
    };
    const emit = (name: string, fields: unknown): void => {
      told.push([name, fields]);
      stopping.abort();
    };
    await keepPruning({ store, emit, random: () => 0.5, retentionMs: RETENTION_MS }, stopping.signal);
    expect(batches).toEqual([2, 1, 0]);
    expect(told).toEqual([['jobs.pruned', { jobs: 3 }]]);
  });

  it('goes on after the database was away, and says nothing of a pass that found nothing', async () => {
    const stopping = new AbortController();
    let calls = 0;
    const store = {
      pruneKeys: () => Promise.resolve(0),
      prune: (): Promise<number> => {
        calls++;
        if (calls === 1) return Promise.reject(new Error('away'));
        stopping.abort();
        return Promise.resolve(0);
      },
    };
    const emit = (): never => {
      throw new Error('nothing went');
    };
    await keepPruning({ store, emit, random: () => 0, retentionMs: 1 }, stopping.signal, 1);
    expect(calls).toBe(2);
  });
});
