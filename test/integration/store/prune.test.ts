// Old jobs go with everything of theirs, and nothing goes that is young, alive or needed.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { JOB_FORMAT } from '../../../src/domain/fact.ts';
import { asTenantId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { JobStore } from '../../../src/domain/store.ts';
import { checkHistories, checkTurns, draft, freshStores, newReplay } from '../../support/database.ts';
import { newWebhook, removeJobs, TENANT, threadsRunning } from '../../support/database.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { AgedJobs, DAY_MS, GONE, RETENTION_MS, WHOLE } from './aged-jobs.ts';

const asked = { by: 'op', why: 'test' };

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

describe('an ended job', () => {
  it('goes with its history, gaps, dead letters and minutes, and then is not there for anybody', async () => {
    const id = await aged.old();
    const young = await aged.ended();
    expect(await aged.rows(id)).toEqual(WHOLE);
    expect(await prune()).toBe(1);
    expect(await aged.rows(id)).toEqual(GONE);
    expect(await replays.replay(TENANT, id)).toBeNull();
    expect(await replays.transitions(TENANT, id, { limit: 1, cursor: null })).toBeNull();
    expect(await replays.steer(TENANT, id, { type: 'CANCEL_REQUESTED', ...asked })).toEqual({
      ok: false,
      why: 'unknown_job',
      state: null,
    });
    expect(await aged.rows(young)).toEqual(WHOLE);
    expect(await checkHistories(database)).toBe(1);
  });

  it('stays until its last fact is as old as asked, by the clock of the database', async () => {
    const id = await aged.ended();
    await aged.age(id, RETENTION_MS - 60_000);
    expect(await prune()).toBe(0);
    await aged.age(id, 60_000);
    expect(await prune()).toBe(1);
  });

  it('stays with the longest retention that can be set', async () => {
    const id = await aged.ended();
    await aged.age(id, 3_650 * DAY_MS);
    expect(await jobs.prune(3_660 * DAY_MS, 100)).toBe(0);
    expect(await aged.left()).toEqual([id]);
  });

  it('goes whether it was completed, cancelled or failed', async () => {
    const ids = [await aged.ended(), await aged.ended(), await aged.ended()];
    for (const [n, state] of ['COMPLETED', 'CANCELLED', 'FAILED'].entries()) {
      const id = ids[n] as JobId;
      await aged.set(id, `state = '${state}'`);
      await aged.age(id, RETENTION_MS + 1_000);
    }
    expect(await prune()).toBe(3);
  });

  it('stays when it has a format that this version does not know', async () => {
    const id = await aged.old();
    await aged.set(id, `format = ${JOB_FORMAT + 1}`);
    expect(await prune()).toBe(0);
    expect(await aged.rows(id)).toEqual(WHOLE);
  });
});

it('lets every live job stay, however old', async () => {
  const { lease } = await aged.claimed();
  const webhook = await newWebhook(replays);
  const waiting = await newReplay(replays, webhook);
  const paused = await newReplay(replays, webhook);
  await replays.steer(TENANT, paused.id, { type: 'PAUSE_REQUESTED', ...asked });
  for (const id of [lease.jobId, waiting.id, paused.id]) await aged.age(id, 2 * RETENTION_MS);
  expect(await prune()).toBe(0);
  expect(await aged.left()).toHaveLength(3);
});

describe('a job that another one needs', () => {
  it('stays while a child of it lives, and goes when the child has ended', async () => {
    const parent = await aged.old();
    const child = await newReplay(replays, await newWebhook(replays));
    await aged.set(child.id, `parent_job_id = ${parent}`);
    expect(await prune()).toBe(0);
    await replays.steer(TENANT, child.id, { type: 'PAUSE_REQUESTED', ...asked });
    expect(await prune()).toBe(0);
    await replays.steer(TENANT, child.id, { type: 'CANCEL_REQUESTED', ...asked });
    expect(await prune()).toBe(1);
    expect(await aged.left()).toEqual([child.id]);
  });

  it('stays while a live job sends its dead letters again', async () => {
    const source = await aged.old();
    const sender = await newReplay(replays, await newWebhook(replays));
    const tie = (state: string): Promise<unknown> =>
      database.query('UPDATE dead_letters SET state = ?, by_job = ? WHERE job_id = ?', [
        state,
        BigInt(sender.id),
        BigInt(source),
      ]);
    await tie('replaying');
    expect(await prune()).toBe(0);
    await tie('delivered');
    expect(await prune()).toBe(1);
    expect(await aged.rows(source)).toEqual(GONE);
  });

  it('goes when the job that was sending its dead letters has ended', async () => {
    const source = await aged.old();
    const sender = await aged.ended();
    await database.query(`UPDATE dead_letters SET state = 'replaying', by_job = ? WHERE job_id = ?`, [
      BigInt(sender),
      BigInt(source),
    ]);
    expect(await prune()).toBe(1);
    expect(await aged.left()).toEqual([sender]);
  });

  it('does not keep those behind it', async () => {
    const parent = await aged.old();
    const other = await aged.old();
    await aged.set(parent, 'updated_at = updated_at - INTERVAL 1 DAY');
    const child = await newReplay(replays, await newWebhook(replays));
    await aged.set(child.id, `parent_job_id = ${parent}`);
    expect(await prune(1)).toBe(1);
    expect(await aged.rows(other)).toEqual(GONE);
    expect((await aged.left()).toSorted()).toEqual([parent, child.id].toSorted());
  });

  it('is seen to be needed by a job whose making began before', async () => {
    const parent = await aged.old();
    const sender = await newReplay(replays, await newWebhook(replays));
    await database.query('UPDATE dead_letters SET by_job = 1 WHERE job_id = ?', [BigInt(parent)]);
    const maker = await database.connect();
    await maker.query('BEGIN');
    await maker.query(`UPDATE dead_letters SET state = 'replaying', by_job = ? WHERE job_id = ?`, [
      BigInt(sender.id),
      BigInt(parent),
    ]);
    const pruning = prune();
    await expect
      .poll(async () => (await threadsRunning(database, '%dead_letters%FOR UPDATE%')).length, {
        timeout: 5_000,
      })
      .toBe(1);
    await maker.query('COMMIT');
    expect(await pruning).toBe(0);
    expect(await aged.rows(parent)).toEqual(WHOLE);
  });
});

it('leaves webhooks alone: the key of a deleted one stays its tenant’s', async () => {
  const webhook = await replays.createWebhook(TENANT, { ...draft, key: 'reserved' });
  if (webhook === 'key_taken') throw new Error('taken');
  const job = await newReplay(replays, webhook.id);
  await replays.steer(TENANT, job.id, { type: 'CANCEL_REQUESTED', ...asked });
  expect(await replays.deleteWebhook(TENANT, webhook.id)).toBe('deleted');
  await database.query('UPDATE webhooks SET deleted_at = deleted_at - INTERVAL 1 YEAR WHERE id = ?', [
    BigInt(webhook.id),
  ]);
  await aged.age(job.id, RETENTION_MS + 1_000);
  expect(await prune()).toBe(1);
  const stranger = asTenantId('stranger');
  expect(await replays.createWebhook(stranger, { ...draft, key: 'reserved' })).toBe('key_taken');
});
