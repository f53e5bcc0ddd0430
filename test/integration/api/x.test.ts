// X's API over the real store: two instances of the API on one database.

import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi } from '../../../src/api/server.ts';
import { asJobId, asTenantId, asWebhookId, birthOf, type TenantId } from '../../../src/domain/ids.ts';
import type { SignalName } from '../../../src/domain/signals.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import { unmetOf } from '../../../src/store/conditions.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { inTransaction, undo } from '../../../src/store/transaction.ts';
import { createGuard } from '../../../src/webhook/guard.ts';
import { checkHistories, checkTurns, freshDatabase, type TestDatabase } from '../../support/database.ts';

const QUOTA = { most: 5, windowMs: 900_000 };
const DAY_MS = 86_400_000;
const ALL = { limit: 100, cursor: null };

let database: TestDatabase;
let apis: FastifyInstance[];
let store: ReplayStore;
const heard: SignalName[] = [];
let nudges = 0;

beforeAll(async () => {
  database = await freshDatabase();
  store = createReplayStore(database.open());
  apis = [await openOne(), await openOne()];
});
afterAll(async () => {
  await Promise.all(apis.map((api) => api.close()));
  await database.drop();
});

/** What X's calls do not ask for. */
const NATIVE = {
  identity: 'value',
  planner: { plan: () => Promise.reject(new Error('nobody plans here')) },
  settleMs: 1,
  planTtlMs: 1,
  proof: { mode: 'x', check: () => Promise.resolve('busy' as const) },
  idempotencyKeepMs: 1,
  streams: { most: 0, mostPerTenant: 0, pollMs: 1, heartbeatMs: 1, stallMs: 1 },
} as const;

/** A token is the name of its tenant. */
function openOne(): Promise<FastifyInstance> {
  return createApi({
    store: createReplayStore(database.open()),
    authenticate: (token) => ({ tenant: asTenantId(token), admin: true, name: 'somebody' }),
    checkUrl: createGuard(['127.0.0.0/8']).checkUrl,
    metrics: () => Promise.resolve(''),
    readiness: () => Promise.resolve({ database: null, sites: [] }),
    onReplayRequested: () => {
      nudges++;
    },
    emit: (name) => void heard.push(name),
    lookbackMs: 5 * DAY_MS,
    maxRate: 2500,
    disorderSlackMs: 900_000,
    ...NATIVE,
    x: { fromAgeMs: 31 * 60_000, toAgeMs: 10 * 60_000, quota: QUOTA },
    version: '0.0.0',
  });
}

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

async function ask(
  tenant: TenantId,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  at = 0,
): Promise<Got> {
  const api = apis[at % apis.length];
  if (!api) throw new Error('no API');
  const got = await api.inject({ method, url, headers: { authorization: `Bearer ${tenant}` } });
  const body = got.body === '' ? {} : got.json<Record<string, unknown>>();
  return { status: got.statusCode, headers: got.headers, body };
}

const minute = (ms: number): string => new Date(ms).toISOString().replace(/\D/g, '').slice(0, 12);
const RANGE = `from_date=${minute(Date.now() - DAY_MS)}&to_date=${minute(Date.now() - DAY_MS + 3_600_000)}`;
const replayOf = (id: string) =>
  `/1.1/account_activity/replay/webhooks/${id}/subscriptions/all.json?${RANGE}`;

async function newHook(tenant: TenantId): Promise<string> {
  const url = encodeURIComponent('http://127.0.0.1:9/hook');
  const { body } = await ask(tenant, 'POST', `/1.1/account_activity/webhooks.json?url=${url}`);
  return String(body['id']);
}
const newTenant = () => asTenantId(`t-${randomUUID()}`);

describe('a replay', () => {
  it('is one like any other, and is told of', async () => {
    const tenant = newTenant();
    const id = await newHook(tenant);
    const before = nudges;
    const { status, body } = await ask(tenant, 'POST', replayOf(id));
    expect([status, Object.keys(body)]).toEqual([202, ['job_id', 'created_at']]);
    expect(body['created_at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const job = await store.replay(tenant, asJobId(String(body['job_id'])));
    expect(job).toMatchObject({
      state: 'OPEN',
      spec: { webhookId: id, key: id, kind: 'range', order: 'any' },
    });
    expect((job?.spec.toMs ?? 0) - (job?.spec.fromMs ?? 0)).toBe(3_600_000);
    expect(nudges).toBe(before + 1);
    expect(heard).toContain('job.requested');
  });

  it('is refused in X’s words also where no route was found yet', async () => {
    const { status, body } = await ask(newTenant(), 'POST', '/2/%zz');
    expect([status, body]).toMatchObject([400, { errors: [{ code: 358 }] }]);
    const native = await ask(newTenant(), 'POST', '/v1/%zz');
    expect([native.status, native.body]).toMatchObject([400, { code: 'invalid_request' }]);
  });

  it('is refused for another tenant’s webhook as for none', async () => {
    const id = await newHook(newTenant());
    for (const webhook of [id, '1']) {
      const { status, body } = await ask(newTenant(), 'POST', replayOf(webhook));
      expect([status, body]).toEqual([
        404,
        {
          errors: [
            { code: 34, message: 'Webhook does not exist or is associated with a different X application.' },
          ],
        },
      ]);
    }
  });
});

describe('twenty calls at once, at two instances', () => {
  const calls = async (tenant: TenantId, id: string) => {
    const got = await Promise.all(
      Array.from({ length: 20 }, (_, at) => ask(tenant, 'POST', replayOf(id), at)),
    );
    return got.map(({ status }) => status).sort((a, b) => a - b);
  };
  const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

  it('make one job; after its end one more; and exactly the quota', async () => {
    const tenant = newTenant();
    const id = await newHook(tenant);
    for (let round = 1; round <= QUOTA.most; round++) {
      expect(await calls(tenant, id), `round ${round}`).toEqual([202, ...times(19, 409)]);
      const { items } = await store.replays(tenant, ALL);
      expect(items.length).toBe(round);
      const [newest] = items;
      if (!newest) throw new Error('no job');
      await store.steer(tenant, newest.id, { type: 'CANCEL_REQUESTED', by: 'test', why: 'next' });
    }
    expect(await calls(tenant, id)).toEqual(times(20, 429));
    const { headers } = await ask(tenant, 'POST', replayOf(id));
    const wait = Number(headers['retry-after']);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(900);
    expect(headers['ratelimit']).toBe(`"replays";r=0;t=${wait}`);
    // Another webhook of the same tenant has a quota of its own.
    expect(await calls(tenant, await newHook(tenant))).toEqual([202, ...times(19, 409)]);
    await checkHistories(database);
    await checkTurns(database);
  });

  it('a quota without the other condition lets exactly so many in', async () => {
    const tenant = newTenant();
    const id = asWebhookId(await newHook(tenant));
    const spec = (await ask(tenant, 'POST', replayOf(id))).body['job_id'];
    const first = await store.replay(tenant, asJobId(String(spec)));
    if (!first) throw new Error('no job');
    const { webhookId: _id, key: _key, ...asked } = first.spec;
    const other = createReplayStore(database.open());
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        (at % 2 === 0 ? store : other).requestReplayIf(tenant, id, asked, 'test', { quota: QUOTA }),
      ),
    );
    expect(made.filter((job) => typeof job === 'object' && 'id' in job).length).toBe(QUOTA.most - 1);
    const refusals = made.filter((job) => typeof job === 'object' && 'refused' in job);
    expect(refusals.length).toBe(20 - QUOTA.most + 1);
    expect((await store.replays(tenant, ALL)).items.length).toBe(QUOTA.most);
  });
});

it('the quota counts what is younger than its window, to the millisecond', async () => {
  const tenant = newTenant();
  const id = asWebhookId(await newHook(tenant));
  const { body } = await ask(tenant, 'POST', replayOf(id));
  const bornMs = birthOf(String(body['job_id']));
  const db = database.open();
  const at = (nowMs: number, most = 1) =>
    inTransaction(db, async (tx) =>
      undo(
        await unmetOf({ quota: { most, windowMs: 1000 } })(tx, { id: asJobId('1'), webhookId: id, nowMs }),
      ),
    );
  expect(await at(bornMs)).toEqual({ refused: 'over_quota', retryAfterMs: 1000 });
  expect(await at(bornMs + 999)).toEqual({ refused: 'over_quota', retryAfterMs: 1 });
  expect(await at(bornMs + 1000)).toBeNull();
  expect(await at(bornMs, 2)).toBeNull();
});

describe('webhooks', () => {
  it('are registered, listed and removed, and belong to their tenant', async () => {
    const tenant = newTenant();
    const id = await newHook(tenant);
    const list = await ask(tenant, 'GET', '/1.1/account_activity/webhooks.json');
    expect(list.body).toEqual([
      {
        id,
        url: 'http://127.0.0.1:9/hook',
        valid: false,
        created_at: expect.stringMatching(/:\d\dZ$/) as string,
      },
    ]);
    const stranger = newTenant();
    expect((await ask(stranger, 'GET', '/1.1/account_activity/webhooks.json')).body).toEqual([]);
    const path = `/1.1/account_activity/webhooks/${id}.json`;
    expect((await ask(stranger, 'DELETE', path)).status).toBe(404);
    await ask(tenant, 'POST', replayOf(id));
    expect((await ask(tenant, 'DELETE', path)).body).toMatchObject({ errors: [{ code: 355 }] });
    const [job] = (await store.replays(tenant, ALL)).items;
    if (!job) throw new Error('no job');
    await store.steer(tenant, job.id, { type: 'CANCEL_REQUESTED', by: 'test', why: '' });
    expect((await ask(tenant, 'DELETE', path)).status).toBe(204);
    expect((await ask(tenant, 'DELETE', path)).status).toBe(404);
  });

  it('a private target is refused in X’s words', async () => {
    const url = encodeURIComponent('https://10.0.0.1/');
    const { status, body } = await ask(newTenant(), 'POST', `/1.1/account_activity/webhooks.json?url=${url}`);
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain(
      '{"code":214,"message":"Webhook URL does not meet the requirements. ',
    );
  });
});

it('the paths are none when X’s API is off', async () => {
  const api = await createApi({
    store,
    authenticate: () => null,
    checkUrl: () => null,
    metrics: () => Promise.resolve(''),
    readiness: () => Promise.resolve({ database: null, sites: [] }),
    onReplayRequested: () => undefined,
    emit: () => undefined,
    lookbackMs: 5 * DAY_MS,
    maxRate: 2500,
    disorderSlackMs: 900_000,
    ...NATIVE,
    version: '0.0.0',
  });
  for (const url of ['/2/webhooks/replay', replayOf('1')]) {
    const got = await api.inject({ method: 'POST', url });
    expect([got.statusCode, got.json<{ code: string }>().code]).toEqual([404, 'no_such_route']);
  }
  await api.close();
});
