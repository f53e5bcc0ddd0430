// The API on a real socket over the real store, in a database of its own, with three keys: an admin, a user of
// the same tenant, and a stranger.

import { randomUUID } from 'node:crypto';
import { Prover } from '../../../src/actors/prover.ts';
import { createApi, type ApiOptions } from '../../../src/api/server.ts';
import type { Readiness } from '../../../src/api/ops.ts';
import type { Problem } from '../../../src/api/problems.ts';
import type { Principal } from '../../../src/api/access.ts';
import { RepriseError } from '../../../src/domain/errors.ts';
import { asTenantId, type TenantId } from '../../../src/domain/ids.ts';
import type { Planner } from '../../../src/domain/plan.ts';
import type { ProofPolicy } from '../../../src/domain/proof.ts';
import type { SignalName } from '../../../src/domain/signals.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import { createProofStore } from '../../../src/store/proof-store.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { createGuard } from '../../../src/webhook/guard.ts';
import { createProber } from '../../../src/webhook/prober.ts';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';

export const DAY_MS = 86_400_000;
export const LOOKBACK_MS = 5 * DAY_MS;
export const MAX_RATE = 2500;

const PROOF_POLICY: ProofPolicy = {
  mode: 'x',
  attempts: 3,
  retryMs: 60_000,
  intervalMs: { standard: DAY_MS, x: 3_600_000 },
};

export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; null without one. */
  readonly body: Record<string, unknown> | null;
}

export interface ApiUnderTest {
  readonly url: string;
  readonly tenant: TenantId;
  readonly signals: { readonly name: SignalName; readonly fields: unknown }[];
  readonly store: ReplayStore;
  readonly database: TestDatabase;
  readonly heard: SignalName[];
  /** Replays of which the pool was told. */
  nudges: number;
  readiness: Readiness;
  /** As the admin, unless `headers` say otherwise; objects are sent as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Got>;
  /** Straight at the database. */
  query(sql: string, values?: readonly unknown[]): Promise<unknown[]>;
  /** Ids and counts of what this test's tenant has: compare before and after. */
  stored(): Promise<string>;
  close(): Promise<void>;
}

export const ADMIN_KEY = `admin-${randomUUID()}`;
export const USER_KEY = `user-${randomUUID()}`;
export const FOREIGN_KEY = `foreign-${randomUUID()}`;

export interface Setting {
  /** Another instance over the same database, of the same tenant. */
  readonly beside?: ApiUnderTest;
  readonly poolSize?: number;
  readonly streams?: Partial<ApiOptions['streams']>;
  readonly proof?: Partial<ProofPolicy>;
  readonly planner?: Planner;
  readonly settleMs?: number;
  readonly planTtlMs?: number;
}

const STREAMS = { most: 100, mostPerTenant: 50, pollMs: 20, heartbeatMs: 15_000, stallMs: 30_000 };

/** For those that make none. */
const NO_LOG: Planner = {
  plan: () => Promise.reject(new RepriseError('log_unavailable', 'this test has no log')),
};

export async function openApi(
  change: (store: ReplayStore) => ReplayStore = (store) => store,
  { beside, poolSize = 2, streams = {}, ...setting }: Setting = {},
): Promise<ApiUnderTest> {
  const database = beside?.database ?? (await freshDatabase());
  const heard: SignalName[] = [];
  const signals: { name: SignalName; fields: unknown }[] = [];
  const emit = (name: SignalName, fields: unknown) => {
    heard.push(name);
    signals.push({ name, fields });
  };
  const db = database.open({ poolSize });
  const store = createReplayStore(db);
  const guard = createGuard(['127.0.0.0/8']);
  const ending = new AbortController();
  const proving = { ...PROOF_POLICY, ...setting.proof };
  const prover = new Prover(
    { store: createProofStore(db), probe: createProber(guard), emit, random: () => 0.5, policy: proving },
    ending.signal,
  );
  const tenant = beside?.tenant ?? asTenantId(`t-${randomUUID()}`);
  const people: Record<string, Principal> = {
    [ADMIN_KEY]: { tenant, admin: true, name: 'the admin' },
    [USER_KEY]: { tenant, admin: false, name: 'the user' },
    [FOREIGN_KEY]: { tenant: asTenantId(`t-${randomUUID()}`), admin: true, name: 'a stranger' },
  };
  const api = await createApi({
    store: change(store),
    authenticate: (token) => people[token] ?? null,
    checkUrl: guard.checkUrl,
    metrics: () => Promise.resolve('up 1\n'),
    readiness: () => Promise.resolve(under.readiness),
    onReplayRequested: () => {
      under.nudges++;
    },
    emit,
    lookbackMs: LOOKBACK_MS,
    maxRate: MAX_RATE,
    disorderSlackMs: 900_000,
    identity: 'value',
    planner: setting.planner ?? NO_LOG,
    settleMs: setting.settleMs ?? 150_000,
    planTtlMs: setting.planTtlMs ?? 3_600_000,
    proof: {
      mode: proving.mode,
      check: async (owner, id) => {
        const answer = await prover.proveNow(id, owner);
        return answer === 'absent' ? null : typeof answer === 'string' ? 'busy' : answer;
      },
    },
    idempotencyKeepMs: DAY_MS,
    streams: { ...STREAMS, ...streams },
    version: '0.0.0',
  });
  const base = await api.listen({ host: '127.0.0.1', port: 0 });
  const under: ApiUnderTest = {
    url: base,
    tenant,
    signals,
    store,
    database,
    heard,
    nudges: 0,
    readiness: { database: null, sites: [] },
    call: (method, path, body, headers = {}) => request(base + path, method, body, headers),
    stored: async () => {
      const page = { limit: 100, cursor: null };
      return JSON.stringify([await store.webhooks(tenant, page), await store.replays(tenant, page)]);
    },
    query: (sql, values) => database.query(sql, values),
    close: async () => {
      ending.abort();
      await api.close();
      if (!beside) await database.drop();
    },
  };
  return under;
}

async function request(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Got> {
  const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method,
    ...(sent === undefined ? {} : { body: sent }),
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : null,
  };
}

/** The problem document of an answer; throws when it is none. */
export function problemOf(got: Got): Problem {
  if (got.headers.get('content-type') !== 'application/problem+json')
    throw new Error(`no problem: ${got.text}`);
  return got.body as unknown as Problem;
}

/** An RFC 3339 time `ms` from now. */
export const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();
