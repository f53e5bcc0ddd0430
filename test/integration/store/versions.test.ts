// An older instance beside a newer one: it leaves alone what it would misread, goes on with the rest, and shows all.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createApi } from '../../../src/api/server.ts';
import { JOB_FORMAT } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { Claim, JobStore, JobView } from '../../../src/domain/store.ts';
import { endLease, freshStores, newReplay } from '../../support/database.ts';
import { newWebhook, removeJobs, rowOf, TENANT } from '../../support/database.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { SPEC, bareCut, pinTo } from '../../support/example.ts';

const request = { instance: asInstanceId('old'), leaseMs: 30_000, maxRepeat: 10 };

describe('a job of a newer version', () => {
  let database: TestDatabase;
  let jobs: JobStore;
  let replays: Stores['replays'];
  beforeAll(async () => {
    ({ database, jobs, replays } = await freshStores());
  });
  afterAll(() => database.drop());
  afterEach(() => removeJobs(database));

  const requested = async (): Promise<JobView> => newReplay(replays, await newWebhook(replays));
  const claimed = async (): Promise<Claim> => {
    const claim = await jobs.claim(request);
    if (!claim) throw new Error('nothing to claim');
    return claim;
  };

  /** As a newer instance would leave it; and back. */
  const newer = {
    format: {
      mark: (id: JobId) =>
        database.query('UPDATE replay_jobs SET format = ? WHERE id = ?', [JOB_FORMAT + 1, BigInt(id)]),
      unmark: (id: JobId) =>
        database.query('UPDATE replay_jobs SET format = ? WHERE id = ?', [JOB_FORMAT, BigInt(id)]),
    },
    fact: {
      mark: (id: JobId) =>
        database.query(
          `INSERT INTO job_transitions
           SELECT job_id, seq + 1, 'TELEPORTED', to_state, to_state, fence, owner, 'ann', NULL,
             JSON_OBJECT('type', 'TELEPORTED', 'seq', seq + 1, 'where', JSON_ARRAY(1, 2)), 'tag', at
           FROM job_transitions WHERE job_id = ? ORDER BY seq DESC LIMIT 1`,
          [BigInt(id)],
        ),
      unmark: (id: JobId) =>
        database.query(`DELETE FROM job_transitions WHERE job_id = ? AND type = 'TELEPORTED'`, [BigInt(id)]),
    },
  };

  describe.each(Object.entries(newer))('by its %s', (_what, { mark, unmark }) => {
    it('is not claimed, and those behind it are', async () => {
      const strange = await requested();
      await mark(strange.id);
      const before = await rowOf(database, strange.id);
      const known = [await requested(), await requested()].map(({ id }) => id);
      expect([await claimed(), await claimed()].map(({ job }) => job.id).toSorted()).toEqual(
        known.toSorted(),
      );
      expect(await jobs.claim(request)).toBeNull();
      expect(await rowOf(database, strange.id)).toEqual(before);
      await unmark(strange.id);
      expect((await claimed()).job.id).toBe(strange.id);
    });

    it('is not reclaimed, and those behind it are', async () => {
      await requested();
      const strange = await claimed();
      await requested();
      const known = await claimed();
      await mark(strange.job.id);
      await endLease(database, strange.job.id);
      await database.query(
        'UPDATE replay_jobs SET lease_until = lease_until - INTERVAL 1 MINUTE WHERE id = ?',
        [BigInt(strange.job.id)],
      );
      await endLease(database, known.job.id);
      const before = await rowOf(database, strange.job.id);
      expect((await jobs.reclaim(request, 8)).map(({ job }) => job.id)).toEqual([known.job.id]);
      expect(await jobs.reclaim(request, 8)).toEqual([]);
      expect(await rowOf(database, strange.job.id)).toEqual(before);
      expect((await replays.gauges()).expiredLeases).toBe(1);
      await unmark(strange.job.id);
      expect((await jobs.reclaim(request, 8)).map(({ job }) => job.id)).toEqual([strange.job.id]);
    });

    it('is claimed by nobody when it gets its webhook’s turn', async () => {
      const webhook = await newWebhook(replays);
      const running = await newReplay(replays, webhook);
      const strange = await newReplay(replays, webhook);
      await mark(strange.id);
      const { lease } = await claimed();
      expect(lease.jobId).toBe(running.id);
      await jobs.commit(running.id, { type: 'FAILED', fence: 1, reason: 'log_replaced', why: 'x' }, lease);
      expect((await rowOf(database, strange.id)).turn).toBe(1);
      expect(await jobs.claim(request)).toBeNull();
    });

    it('is shown, listed and told over REST with all its facts', async () => {
      const strange = await requested();
      await mark(strange.id);
      const { length } = await jobs.factsAfter(strange.id, 0);
      const api = await apiOver(replays);
      const got = async (path: string): Promise<Record<string, unknown>> => {
        const { statusCode, body } = await api.inject({
          url: path,
          headers: { authorization: 'Bearer key' },
        });
        expect(statusCode, body).toBe(200);
        return JSON.parse(body) as Record<string, unknown>;
      };
      expect(await got(`/v1/replays/${strange.id}`)).toMatchObject({ id: strange.id, state: 'OPEN' });
      expect(await got('/v1/replays')).toMatchObject({ items: [{ id: strange.id }] });
      const { items } = await got(`/v1/replays/${strange.id}/transitions`);
      expect(items).toHaveLength(length);
      expect(items).toEqual(expect.arrayContaining([expect.objectContaining({ type: 'REQUESTED' })]));
      if (length > 1) {
        expect(items).toEqual(
          expect.arrayContaining([
            expect.objectContaining({
              type: 'TELEPORTED',
              by: 'ann',
              body: { type: 'TELEPORTED', seq: 2, where: [1, 2] },
            }),
          ]),
        );
      }
      await api.close();
    });
  });
});

describe('what an older version would misread', () => {
  let database: TestDatabase;
  let jobs: JobStore;
  let replays: Stores['replays'];
  beforeAll(async () => {
    ({ database, jobs, replays } = await freshStores());
  });
  afterAll(() => database.drop());

  const filters = [{ where: 'header', path: 'type', op: 'equals', values: ['a'] }] as const;
  const formatOfRow = async (id: string): Promise<number> => (await rowOf(database, id)).format;

  it('says which format it has, and nothing else does', async () => {
    const webhook = await newWebhook(replays);
    const asked = async (more: object): Promise<number> => {
      const job = await replays.requestReplay(TENANT, webhook, { ...SPEC, ...more }, 'test');
      if (job === 'no_webhook') throw new Error('the webhook is not there');
      return formatOfRow(job.id);
    };
    expect(await asked({})).toBe(1);
    expect(await asked({ readMode: 'union' })).toBe(3);
    expect(await asked({ filters })).toBe(4);
    expect(await asked({ filters, readMode: 'union' })).toBe(4);
    expect(JOB_FORMAT).toBe(4);
  });

  it('is said of the remainder, too, which inherits the filters', async () => {
    const webhook = await newWebhook(replays);
    for (const [given, format] of [
      [[], 1],
      [filters, 4],
    ] as const) {
      const job = await replays.requestReplay(TENANT, webhook, { ...SPEC, filters: given }, 'test');
      if (job === 'no_webhook') throw new Error('the webhook is not there');
      await replays.steer(TENANT, job.id, { type: 'CANCEL_REQUESTED', by: 'ann', why: '' });
      const request = { kind: 'remainder', change: {}, by: 'ann', why: '' } as const;
      const child = await replays.takeUp(TENANT, job.id, request);
      if (typeof child === 'string') throw new Error(child);
      expect(child.spec.filters).toEqual(given);
      expect(await formatOfRow(child.id)).toBe(format);
    }
  });

  it('is not forgotten when a job with filters leaves a site', async () => {
    await removeJobs(database);
    const webhook = await newWebhook(replays);
    const job = await replays.requestReplay(TENANT, webhook, { ...SPEC, filters }, 'test');
    if (job === 'no_webhook') throw new Error('the webhook is not there');
    const claim = await jobs.claim(request);
    if (!claim) throw new Error('nothing to claim');
    const { lease } = claim;
    const { fence } = lease;
    const at = { fence, site: 'dc1', pins: [pinTo(9)], waitingUntilMs: null } as const;
    await jobs.commit(job.id, { type: 'OFFSETS_RESOLVED', partition: 3, ...at }, lease, bareCut(1));
    const left = { from: 'dc1', why: 'unreachable', by: 'memory', boundAdded: 0 } as const;
    const result = await jobs.commit(
      job.id,
      { type: 'SITE_SWITCHED', ...at, ...left, site: 'dc2' },
      lease,
      bareCut(1),
    );
    expect(result).toMatchObject({ ok: true });
    expect(await formatOfRow(job.id)).toBe(4);
  });
});

function apiOver(store: Stores['replays']) {
  const unused = (): never => {
    throw new Error('only replays are read here');
  };
  return createApi({
    store,
    authenticate: () => ({ tenant: TENANT, admin: true, name: 'test' }),
    checkUrl: unused,
    metrics: unused,
    readiness: unused,
    onReplayRequested: unused,
    emit: () => undefined,
    lookbackMs: 1,
    maxRate: 1,
    disorderSlackMs: 1,
    identity: 'value',
    planner: { plan: unused },
    settleMs: 1,
    planTtlMs: 1,
    proof: { mode: 'off', check: () => Promise.resolve(null) },
    idempotencyKeepMs: 1,
    streams: { most: 0, mostPerTenant: 0, pollMs: 1, heartbeatMs: 1, stallMs: 1 },
    version: '0',
  });
}
