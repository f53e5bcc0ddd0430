// Replay groups in the store: each webhook gets one job, whoever dies or works beside; steering reaches every job and
// none is steered as it was asked before; pruning; and claims that are fair to another tenant's single job.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GroupRequest, GroupView } from '../../../src/domain/group.ts';
import { asInstanceId, asTenantId } from '../../../src/domain/ids.ts';
import type { GroupId, WebhookId } from '../../../src/domain/ids.ts';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import type { Claim } from '../../../src/domain/store.ts';
import { makeJobs, steerJob } from '../../../src/store/group-jobs.ts';
import { createGroupStore } from '../../../src/store/group-store.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { checkHistories, checkTurns, freshStores, newReplay } from '../../support/database.ts';
import { newWebhook, removeJobs, TENANT } from '../../support/database.ts';
import type { ReplayGroupRow } from '../../../src/store/schema.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { SPEC } from '../../support/example.ts';

const LONG_MS = 60_000;
const OTHER = asTenantId('other');
const who = { by: 'op', why: 'test' };
const { groupId: _none, ...spec } = SPEC;

let database: TestDatabase;
let jobs: Stores['jobs'];
let replays: Stores['replays'];
beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
});
afterAll(() => database.drop());
afterEach(async () => {
  await checkHistories(database);
  await checkTurns(database);
  await removeJobs(database);
  for (const table of ['replay_groups', 'replay_group_members', 'webhooks'])
    await database.query(`DELETE FROM ${table}`);
});

const webhooksOf = (count: number, tenant = TENANT): Promise<readonly WebhookId[]> =>
  Promise.all(Array.from({ length: count }, () => newWebhook(replays, tenant)));

async function requested(webhookIds: GroupRequest['webhookIds']): Promise<GroupId> {
  const group = await replays.groups.request(TENANT, { webhookIds, spec, by: 'op' });
  if ('why' in group) throw new Error(`refused: ${group.why}`);
  return group.id;
}

async function look(id: GroupId): Promise<GroupView> {
  const view = await replays.groups.group(TENANT, id);
  if (!view) throw new Error('the group is not there');
  return view;
}

/** How many jobs each webhook of the group has. */
async function jobsPerWebhook(id: GroupId): Promise<Readonly<Record<string, number>>> {
  const rows = await database.query<{ webhook: string; n: string }>(
    'SELECT webhook_id AS webhook, COUNT(*) AS n FROM replay_jobs WHERE group_id = ? GROUP BY webhook_id',
    [id],
  );
  return Object.fromEntries(rows.map(({ webhook, n }) => [webhook, Number(n)]));
}

const one = (ids: readonly WebhookId[]) => Object.fromEntries(ids.map((id) => [id, 1]));

/** As if the instance that was at it had died some time ago. */
const forgetWorkers = () =>
  database.query(
    'UPDATE replay_groups SET worker_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE worker_until IS NOT NULL',
  );

const by = (instance = 'a') => ({ instance: asInstanceId(instance), leaseMs: 30_000, maxRepeat: 10 });

async function claimed(): Promise<Claim> {
  const claim = await jobs.claim(by());
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

describe('a group', () => {
  it('gives each webhook one job as it was asked, and sums them up', async () => {
    const ids = await webhooksOf(5);
    const foreign = await newWebhook(replays, OTHER);
    const id = await requested('all');
    expect(await look(id)).toMatchObject({ state: 'creating', pending: 5, webhooks: 5, share: 0 });
    const done = await replays.groups.workOn(id, LONG_MS);
    expect(done?.made.map(({ webhookId }) => webhookId).toSorted()).toEqual(ids.toSorted());
    expect(await jobsPerWebhook(id)).toEqual(one(ids));
    expect(Object.keys(await jobsPerWebhook(id))).not.toContain(foreign);
    expect(await replays.groups.workOn(id, LONG_MS)).toBeNull();
    const { items } = (await replays.groups.replaysOf(TENANT, id, { limit: 10, cursor: null })) ?? {
      items: [],
    };
    expect(items.map((job) => [job.spec.groupId, job.spec.fromMs, job.state])).toEqual(
      ids.map(() => [id, spec.fromMs, 'OPEN']),
    );
    await database.query(
      `UPDATE replay_jobs SET counts = JSON_SET(counts, '$.delivered', 7, '$.deadLettered', 1) WHERE group_id = ?`,
      [id],
    );
    expect(await look(id)).toMatchObject({
      ...{ state: 'live', jobs: { OPEN: 5, COMPLETED: 0 }, pending: 0, share: 0, etaMs: null },
      ...{ counts: { delivered: 35, deadLettered: 5, scanned: 0 }, refused: [], refusedTotal: 0 },
    });
    await database.query(
      `UPDATE replay_jobs SET counts = JSON_SET(counts, '$.delivered', 0, '$.deadLettered', 0)`,
    );
  });

  it('is not there for a stranger, and none is made with webhooks that are not the tenant’s', async () => {
    const [mine] = await webhooksOf(1);
    const foreign = await newWebhook(replays, OTHER);
    if (!mine) throw new Error('no webhook');
    const asked = { webhookIds: [mine, foreign], spec, by: 'op' };
    expect(await replays.groups.request(TENANT, asked)).toEqual({ why: 'unknown_webhooks', ids: [foreign] });
    expect(await database.query('SELECT id FROM replay_groups')).toEqual([]);
    const id = await requested([mine]);
    const page = { limit: 10, cursor: null };
    expect(await replays.groups.group(OTHER, id)).toBeNull();
    expect(await replays.groups.groups(OTHER, page)).toEqual({ items: [], nextCursor: null });
    expect(await replays.groups.replaysOf(OTHER, id, page)).toBeNull();
    expect(await replays.groups.steer(OTHER, id, 'cancel', who)).toBe('unknown_group');
    expect(await look(id)).toMatchObject({ pending: 1, steering: null });
    await replays.groups.workOn(id, LONG_MS);
  });

  it('names a webhook that was removed meanwhile, and makes the others’ jobs', async () => {
    const ids = await webhooksOf(3);
    const id = await requested(ids);
    const [gone = ids[2]] = ids;
    expect(gone && (await replays.deleteWebhook(TENANT, gone))).toBe('deleted');
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({
      ...{ state: 'live', refused: [{ webhookId: gone, code: 'webhook_deleted' }], refusedTotal: 1 },
    });
    expect(await jobsPerWebhook(id)).toEqual(one(ids.slice(1)));
  });
});

describe('whoever makes the jobs', () => {
  it('may die in between: another instance makes the rest, and none twice', async () => {
    const ids = await webhooksOf(60);
    const id = await requested(ids);
    // Work under way is left where it is: the next transaction of the dead one never comes.
    for (const webhookId of ids.slice(0, 7)) await makeJobs(database.open({ poolSize: 1 }), id, [webhookId]);
    await database.query('UPDATE replay_groups SET worker_until = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR');
    const other = createGroupStore(database.open());
    expect(await other.work(LONG_MS)).toBeNull();
    await forgetWorkers();
    const done = await other.work(LONG_MS);
    expect(done?.made.length).toBe(53);
    expect(await jobsPerWebhook(id)).toEqual(one(ids));
    expect(await other.work(LONG_MS)).toBeNull();
  });

  it('stops when its time is over, and goes on', async () => {
    const ids = await webhooksOf(90);
    const id = await requested(ids);
    let stretches = 0;
    while ((await look(id)).pending > 0) {
      const done = await replays.groups.workOn(id, 1);
      expect(done?.made.length).toBeLessThanOrEqual(40);
      stretches++;
    }
    expect(stretches).toBeGreaterThanOrEqual(3);
    expect(await jobsPerWebhook(id)).toEqual(one(ids));
  });

  it('may be several that do not know of each other', async () => {
    const ids = await webhooksOf(40);
    const id = await requested(ids);
    const db = database.open({ poolSize: 12 });
    const shuffled = [1, 2, 3].map((n) =>
      ids.toSorted((a, b) => (a.at(-n) ?? '').localeCompare(b.at(-n) ?? '')),
    );
    const made = await Promise.all(shuffled.map((each) => makeJobs(db, id, each)));
    expect(made.flatMap((each) => each.made).length).toBe(40);
    expect(await jobsPerWebhook(id)).toEqual(one(ids));
  });
});

describe('steering', () => {
  it('pauses, resumes and cancels every job that can be, and says of how many', async () => {
    const ids = await webhooksOf(45);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    const { lease } = await claimed();
    const end = { type: 'FAILED', fence: lease.fence, reason: 'log_replaced', why: 'x' } as const;
    await jobs.commit(lease.jobId, end, lease);
    const running = await claimed();
    expect(await replays.groups.steer(TENANT, id, 'pause', who)).toBe('recorded');
    expect((await look(id)).steering).toMatchObject({ verb: 'pause', by: 'op', steered: 0, isDone: false });
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({
      jobs: { PAUSED: 43, STARTED: 1, FAILED: 1 },
      steering: { verb: 'pause', why: 'test', steered: 44, notSteered: 1, isDone: true },
    });
    expect((await replays.replay(TENANT, running.job.id))?.wanted).toBe('pause');
    // Asked again only the running one, whose owner has not done it yet, takes it once more.
    await replays.groups.steer(TENANT, id, 'pause', who);
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({ steering: { steered: 1, notSteered: 44, isDone: true } });
    await replays.groups.steer(TENANT, id, 'resume', who);
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({ jobs: { OPEN: 43 }, steering: { steered: 44, notSteered: 1 } });
    await replays.groups.steer(TENANT, id, 'cancel', who);
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({ jobs: { CANCELLED: 43, STARTED: 1 }, steering: { steered: 44 } });
  });

  it('keeps a paused group from getting more jobs, until it is resumed', async () => {
    const ids = await webhooksOf(6);
    const id = await requested(ids);
    const db = database.open({ poolSize: 2 });
    await makeJobs(db, id, ids.slice(0, 2));
    await replays.groups.steer(TENANT, id, 'pause', who);
    expect(await makeJobs(db, id, ids)).toEqual({ made: [], refused: 0 });
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({ state: 'creating', pending: 4, jobs: { PAUSED: 2 } });
    expect(await replays.groups.work(LONG_MS)).toBeNull();
    await replays.groups.steer(TENANT, id, 'resume', who);
    await replays.groups.work(LONG_MS);
    expect(await look(id)).toMatchObject({ state: 'live', pending: 0, jobs: { OPEN: 6 } });
  });

  it('refuses what is not made yet when the group is cancelled', async () => {
    const ids = await webhooksOf(4);
    const id = await requested(ids);
    const db = database.open({ poolSize: 2 });
    await makeJobs(db, id, ids.slice(0, 1));
    await replays.groups.steer(TENANT, id, 'cancel', who);
    expect(await makeJobs(db, id, ids)).toEqual({ made: [], refused: 0 });
    await replays.groups.work(LONG_MS);
    const view = await look(id);
    expect(view).toMatchObject({ state: 'ended', jobs: { CANCELLED: 1 }, refusedTotal: 3, share: 1 });
    expect(view.refused.map(({ code }) => code)).toEqual(Array(3).fill('group_cancelled'));
  });

  it('of a worker that stood still changes nothing that was asked since', async () => {
    const id = await requested(await webhooksOf(2));
    const made = await replays.groups.workOn(id, LONG_MS);
    const db = database.open({ poolSize: 2 });
    const row = async (): Promise<ReplayGroupRow> => {
      const [found] = await database.query<ReplayGroupRow>('SELECT * FROM replay_groups');
      if (!found) throw new Error('the group is not there');
      return found;
    };
    const [first, second] = (made?.made ?? []).map(({ jobId }) => jobId);
    if (!first || !second) throw new Error('no jobs were made');
    await replays.groups.steer(TENANT, id, 'pause', who);
    const seen = await row();
    const asked = { verb: 'pause', ...who, atMs: 0 } as const;
    expect(await steerJob(db, seen, first, asked)).toBe(true);
    await replays.groups.steer(TENANT, id, 'resume', who);
    expect(await steerJob(db, seen, second, asked)).toBe(false);
    await replays.groups.workOn(id, LONG_MS);
    expect(await look(id)).toMatchObject({ jobs: { OPEN: 2 }, steering: { steered: 1, notSteered: 1 } });
  });

  it('of workers beside each other ends as it was asked last', async () => {
    const ids = await webhooksOf(30);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    const stores = [1, 2, 3].map(() => createReplayStore(database.open({ poolSize: 4 })));
    for (let round = 0; round < 4; round++) {
      await replays.groups.steer(TENANT, id, 'pause', who);
      const late = stores.map(async ({ groups }) => {
        await forgetWorkers();
        await groups.workOn(id, LONG_MS);
      });
      await replays.groups.steer(TENANT, id, 'resume', who);
      await Promise.all(late);
      await forgetWorkers();
      await replays.groups.work(LONG_MS);
      expect(await look(id), `round ${round}`).toMatchObject({ jobs: { OPEN: 30, PAUSED: 0 } });
    }
  });

  it('goes on where a dead instance left it', async () => {
    const ids = await webhooksOf(50);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    await replays.groups.steer(TENANT, id, 'cancel', who);
    await replays.groups.workOn(id, 1);
    expect((await look(id)).steering).toMatchObject({ steered: 40, isDone: false });
    await createGroupStore(database.open()).work(LONG_MS);
    expect(await look(id)).toMatchObject({ state: 'ended', steering: { steered: 50, isDone: true } });
  });
});

it('is pruned when it is old and its jobs are gone, with its members', async () => {
  const ids = await webhooksOf(3);
  const [id, waiting, young] = [await requested(ids), await requested(ids), await requested(ids)];
  for (const each of [id, young]) {
    await replays.groups.workOn(each, LONG_MS);
    await replays.groups.steer(TENANT, each, 'cancel', who);
    await replays.groups.workOn(each, LONG_MS);
  }
  const age = (table: string, where: string) =>
    database.query(`UPDATE ${table} SET updated_at = updated_at - INTERVAL 2 DAY WHERE ${where}`);
  await age('replay_groups', `id <> ${young}`);
  expect(await jobs.prune(86_400_000, 100)).toBe(0);
  expect(await replays.groups.group(TENANT, id)).not.toBeNull();
  await age('replay_jobs', `group_id = '${id}'`);
  await database.query(
    `UPDATE job_transitions SET at = at - INTERVAL 2 DAY WHERE job_id IN
       (SELECT id FROM replay_jobs WHERE group_id = ?)`,
    [id],
  );
  expect(await jobs.prune(86_400_000, 100)).toBe(3);
  expect(await jobs.prune(86_400_000, 100)).toBe(0);
  expect(await replays.groups.group(TENANT, id)).toBeNull();
  expect(await database.query('SELECT group_id FROM replay_group_members WHERE group_id = ?', [id])).toEqual(
    [],
  );
  expect(await look(waiting)).toMatchObject({ pending: 3 });
  expect(await look(young)).toMatchObject({ state: 'ended' });
});

describe('a single job of another tenant', () => {
  it('asked for after a group of 200 is claimed next, and each tenant has its share after it', async () => {
    const ids = await webhooksOf(200);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    expect((await claimed()).job.tenant).toBe(TENANT);
    const single = await newReplay(replays, await newWebhook(replays, OTHER), OTHER);
    expect((await claimed()).job.id).toBe(single.id);
    // One running job each: the one that waits longer; then the one with fewer.
    expect((await claimed()).job.tenant).toBe(TENANT);
    const second = await newReplay(replays, await newWebhook(replays, OTHER), OTHER);
    expect((await claimed()).job.id).toBe(second.id);
    expect((await claimed()).job.tenant).toBe(TENANT);
  });

  it('is claimed next also when it is not on a partition that is read already, and far behind', async () => {
    const ids = await webhooksOf(300);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    const single = await newReplay(replays, await newWebhook(replays, OTHER), OTHER);
    const { key } = (await replays.replay(OTHER, single.id))?.spec ?? { key: '' };
    const other = (partitionOf(key, 4) + 1) % 4;
    const gather = { partitions: 4, now: [other] };
    const first = await jobs.claim({ ...by(), gather });
    expect(first?.job.tenant).toBe(TENANT);
    expect(first && partitionOf(first.job.spec.key, 4)).toBe(other);
    expect((await jobs.claim({ ...by(), gather }))?.job.id).toBe(single.id);
    const third = await jobs.claim({ ...by(), gather });
    expect(third && partitionOf(third.job.spec.key, 4)).toBe(other);
  });

  it('that nobody can claim holds up nobody', async () => {
    const strange = await newReplay(replays, await newWebhook(replays, OTHER), OTHER);
    await database.query('UPDATE replay_jobs SET format = 1000 WHERE id = ?', [BigInt(strange.id)]);
    const ids = await webhooksOf(3);
    const id = await requested(ids);
    await replays.groups.workOn(id, LONG_MS);
    const got = [await claimed(), await claimed(), await claimed()];
    expect(got.map(({ job }) => job.tenant)).toEqual([TENANT, TENANT, TENANT]);
    expect(await jobs.claim(by())).toBeNull();
    await database.query('UPDATE replay_jobs SET format = 1 WHERE id = ?', [BigInt(strange.id)]);
  });

  it('is found by jumps over the index, whatever waits before it', async () => {
    const id = await requested(await webhooksOf(300));
    await replays.groups.workOn(id, LONG_MS);
    await newReplay(replays, await newWebhook(replays, OTHER), OTHER);
    await database.query('ANALYZE TABLE replay_jobs');
    const session = await database.connect();
    const read = async (): Promise<number> => {
      const [rows] = await session.query(`SHOW SESSION STATUS LIKE 'Handler_read_next'`);
      return Number((rows as { Value: string }[])[0]?.Value);
    };
    const before = await read();
    const [heads] = await session.query(
      `SELECT tenant, MIN(id) FROM replay_jobs FORCE INDEX (replay_jobs_fair)
       WHERE state IN ('OPEN') AND turn = 1 GROUP BY state, turn, tenant`,
    );
    expect(heads).toHaveLength(2);
    expect((await read()) - before).toBeLessThan(10);
  });
});
