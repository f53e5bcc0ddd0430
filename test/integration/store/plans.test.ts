// Plans as rows: they expire by the database's clock, run once, go by themselves, and their jobs are left alone by
// instances of before.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { asJobId, asPlanId, asSourceName, asTenantId } from '../../../src/domain/ids.ts';
import type { PlanId, WebhookId } from '../../../src/domain/ids.ts';
import type { PlanDraft } from '../../../src/domain/plan.ts';
import { freshStores, newReplay, newWebhook, rowOf, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { SPEC } from '../../support/example.ts';

const HOUR_MS = 3_600_000;
const SOURCE = asSourceName('dc1/delivery_log');
const first = { offset: 5, crc: 7, maxTimestampMs: 9 };
const PIN = { source: SOURCE, topic: 'delivery_log', partition: 2, start: 5, end: 9, first };

let stores: Stores;
let webhookId: WebhookId;
beforeAll(async () => {
  stores = await freshStores();
});
afterAll(() => stores.database.drop());
beforeEach(async () => {
  webhookId = await newWebhook(stores.replays);
});

function draftOf(): PlanDraft {
  return {
    webhookId,
    spec: { ...SPEC, kind: 'plan' },
    settledAtMs: 1,
    eta: { leastMs: 1, mostMs: 2 },
    site: 'dc1',
    partition: 2,
    pins: [PIN],
    gaps: [],
    records: { [SOURCE]: 4 },
    estimatedBytes: 400,
    warnings: [],
  };
}

async function planned(ttlMs = HOUR_MS): Promise<PlanId> {
  const plan = await stores.replays.createPlan(TENANT, draftOf(), ttlMs);
  if (plan === 'no_webhook') throw new Error('the webhook is not there');
  return plan.id;
}

const run = (planId: PlanId, webhook = webhookId, tenant = TENANT) => {
  const { spec, site, partition, pins, gaps } = draftOf();
  const asked = { ...spec, plan: { planId, site, partition, pins, gaps } };
  return stores.replays.runPlan(tenant, webhook, asked, 'test');
};

const plansLeft = async (): Promise<readonly string[]> =>
  (await stores.database.query<{ id: string }>('SELECT id FROM replay_plans')).map(({ id }) => id);

describe('a plan', () => {
  it('is what was kept, for its tenant', async () => {
    const id = await planned();
    const plan = await stores.replays.plan(TENANT, id);
    expect(plan).toMatchObject({ ...draftOf(), id, tenant: TENANT, jobId: null });
    expect((plan?.expiresAtMs ?? 0) - (plan?.createdAtMs ?? 0)).toBe(HOUR_MS);
    expect(await stores.replays.plan(asTenantId('stranger'), id)).toBeNull();
  });

  it('of a webhook that is gone is not made', async () => {
    await stores.replays.deleteWebhook(TENANT, webhookId);
    expect(await stores.replays.createPlan(TENANT, draftOf(), HOUR_MS)).toBe('no_webhook');
  });

  it('is absent once it has expired, and pruned with the jobs', async () => {
    const [old, young] = [await planned(0), await planned()];
    expect(await stores.replays.plan(TENANT, old)).toBeNull();
    expect(await run(old)).toBe('no_plan');
    expect(await plansLeft()).toEqual(expect.arrayContaining([old, young]));
    expect(await stores.jobs.prune(HOUR_MS, 100)).toBe(0);
    const left = await plansLeft();
    expect(left).toContain(young);
    expect(left).not.toContain(old);
  });
});

describe('the job of a plan', () => {
  it('has the pins in its first fact, and a format that an older instance does not claim', async () => {
    const id = await planned();
    const job = await run(id);
    if (typeof job === 'string' || 'usedBy' in job) throw new Error('the plan was refused');
    expect(job).toMatchObject({ state: 'OPEN', pins: null, spec: { kind: 'plan', plan: { planId: id } } });
    const page = await stores.replays.transitions(TENANT, job.id, { limit: 5, cursor: null });
    expect(page?.items).toMatchObject([{ body: { spec: { plan: { pins: [PIN], site: 'dc1' } } } }]);
    expect(await rowOf(stores.database, job.id)).toMatchObject({ format: 4 });
    const other = await newReplay(stores.replays, webhookId);
    expect(await rowOf(stores.database, other.id)).toMatchObject({ format: 1 });
  });

  it('is made once, whoever asks at the same time', async () => {
    const id = await planned();
    const answers = await Promise.all(Array.from({ length: 20 }, () => run(id)));
    const made = answers.flatMap((answer) =>
      typeof answer !== 'string' && 'id' in answer ? [answer.id] : [],
    );
    expect(made).toHaveLength(1);
    const others = answers.filter((answer) => typeof answer !== 'string' && 'usedBy' in answer);
    expect(others).toEqual(Array.from({ length: 19 }, () => ({ usedBy: made[0] })));
    const [{ jobs } = { jobs: '' }] = await stores.database.query<{ jobs: string }>(
      'SELECT COUNT(*) AS jobs FROM replay_jobs WHERE webhook_id = ?',
      [BigInt(webhookId)],
    );
    expect(Number(jobs)).toBe(1);
    expect((await stores.replays.plan(TENANT, id))?.jobId).toBe(made[0]);
  });

  it('is not made for another webhook, another tenant or an unknown plan', async () => {
    const id = await planned();
    const other = await newWebhook(stores.replays);
    expect(await run(id, other)).toBe('no_plan');
    expect(await run(id, webhookId, asTenantId('stranger'))).toBe('no_webhook');
    expect(await run(asPlanId('12'))).toBe('no_plan');
    expect((await stores.replays.plan(TENANT, id))?.jobId).toBeNull();
  });

  it('that was cancelled unpinned is taken up with the same pins and the same format', async () => {
    const job = await run(await planned());
    if (typeof job === 'string' || 'usedBy' in job) throw new Error('the plan was refused');
    await stores.replays.steer(TENANT, job.id, { type: 'CANCEL_REQUESTED', by: 'op', why: 'test' });
    const request = { kind: 'remainder', change: {}, by: 'op', why: 'test' } as const;
    const child = await stores.replays.takeUp(TENANT, job.id, request);
    if (typeof child === 'string') throw new Error(child);
    expect(child.spec).toMatchObject({ kind: 'remainder', plan: { pins: [PIN] } });
    expect(await rowOf(stores.database, child.id)).toMatchObject({ format: 4 });
  });
});

describe('the replays beside a plan', () => {
  it('are those that have not ended, and completed ones whose range overlaps', async () => {
    const ended = await newReplay(stores.replays, webhookId);
    await stores.database.query(
      `UPDATE replay_jobs SET state = 'COMPLETED', outcome = 'complete', turn = 0 WHERE id = ?`,
      [BigInt(ended.id)],
    );
    const live = await newReplay(stores.replays, webhookId);
    const { fromMs, toMs } = SPEC;
    const beside = (from: number, to: number) =>
      stores.replays.replaysBeside(TENANT, webhookId, { fromMs: from, toMs: to });
    expect(await beside(fromMs, toMs)).toEqual({ live: [live.id], completed: [asJobId(ended.id)] });
    expect(await beside(toMs - 1, toMs + 1)).toMatchObject({ completed: [ended.id] });
    expect(await beside(toMs, toMs + 1)).toMatchObject({ completed: [] });
    expect(await beside(fromMs - 1, fromMs)).toMatchObject({ completed: [] });
  });
});
