// What the store does when the network drops what is sent and closes nothing: everything ends by its own deadline,
// and once the network is back nobody waits for a connection that died meanwhile.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { Claim, JobStore } from '../../../src/domain/store.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { freshDatabase, newReplay, newWebhook } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';
import { BEAT } from '../../support/example.ts';
import { Proxy } from './proxy.ts';

/** The claims' own: none ends here. */
const request = { instance: asInstanceId('a'), leaseMs: 60_000, maxRepeat: 10 };
/** What the deadlines come from. */
const LEASE_MS = 6_000;
const STATEMENT_MS = LEASE_MS / 3;
const CHECK_MS = 1_000;
const CONNECT_MS = 3_000;
/** Around a deadline, and for what is done at once. */
const SLACK_MS = 900;

let database: TestDatabase;
let proxy: Proxy;
let jobs: JobStore;
let replays: ReplayStore;

beforeAll(async () => {
  database = await freshDatabase();
  proxy = new Proxy(database.url);
  await proxy.accept();
  ({ jobs, replays } = opened());
});
afterEach(() => proxy.forward());
afterAll(async () => {
  await database.drop();
  await proxy.refuse();
});

function opened(): { jobs: JobStore; replays: ReplayStore } {
  const db = database.open({ url: proxy.url, leaseMs: LEASE_MS, poolSize: 4 });
  return { jobs: createJobStore(db), replays: createReplayStore(db) };
}

async function started(): Promise<Claim> {
  await newReplay(replays, await newWebhook(replays));
  const claim = await jobs.claim(request);
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

/** All sessions of the pool for single statements, just used. */
const warm = (): Promise<unknown> => Promise.all([1, 2, 3, 4].map(() => jobs.nowMs()));

async function unavailableAfter(call: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await expect(call()).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
  return performance.now() - fromMs;
}

async function msOf(call: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await call();
  return performance.now() - fromMs;
}

it('ends a heartbeat, a look and a registration at a third of the lease; then all work at once', async () => {
  const { lease } = await started();
  const calls = [
    () => jobs.heartbeat(lease, 60_000, 1, BEAT),
    () => jobs.look(request.instance),
    () => jobs.instanceAlive(request.instance, { version: '1', listen: '', poolSize: 1, running: 0 }),
  ];
  await warm();
  proxy.swallow();
  for (const waitedMs of await Promise.all(calls.map(unavailableAfter))) {
    expect(waitedMs).toBeGreaterThan(STATEMENT_MS - 50);
    expect(waitedMs).toBeLessThan(STATEMENT_MS + SLACK_MS);
  }
  // The sessions left from before are not tried one by one: a new connection is, which hangs as well.
  for (const waitedMs of await Promise.all(calls.map(unavailableAfter))) {
    expect(waitedMs).toBeGreaterThan(CONNECT_MS - 50);
    expect(waitedMs).toBeLessThan(CONNECT_MS + SLACK_MS);
  }
  proxy.forward();
  for (const call of calls) expect(await msOf(call)).toBeLessThan(SLACK_MS);
  expect(await jobs.heartbeat(lease, 60_000, 2, BEAT)).toBe('held');
  expect(await msOf(() => jobs.claim(request))).toBeLessThan(SLACK_MS);
  expect(database.signals.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['database.lost', 'database.back']),
  );
}, 20_000);

/** Until the server's own clock says that the sessions, just used, have been idle for so long. */
async function untilIdleFor(ms: number): Promise<void> {
  const now = 'SELECT UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND AS due, UTC_TIMESTAMP(6) AS now';
  const [begun] = await database.query<{ due: string }>(now, [ms * 1_000]);
  for (;;) {
    const [look] = await database.query<{ now: string }>(now, [0]);
    if (begun && look && look.now >= begun.due) return;
  }
}

it('finds out within a second that an idle session is dead, and takes a new one', async () => {
  await Promise.all([1, 2, 3].map(() => jobs.claim(request)));
  // Half of the wait_timeout of sessions for transactions: now they are checked before use.
  await untilIdleFor(LEASE_MS / 4 + 100);
  proxy.swallow();
  proxy.forward();
  const waitedMs = await msOf(() => jobs.claim(request));
  expect(waitedMs).toBeGreaterThan(CHECK_MS - 50);
  expect(waitedMs).toBeLessThan(CHECK_MS + SLACK_MS);
  expect(await msOf(() => jobs.claim(request))).toBeLessThan(SLACK_MS);
});

it('waits for no more than the check and a connection where all stay silent', async () => {
  await jobs.claim(request);
  await untilIdleFor(LEASE_MS / 4 + 100);
  proxy.swallow();
  expect(await unavailableAfter(() => jobs.claim(request))).toBeLessThan(CHECK_MS + CONNECT_MS + SLACK_MS);
  proxy.forward();
  expect(await msOf(() => jobs.claim(request))).toBeLessThan(SLACK_MS);
}, 10_000);

it.each(['ISOLATION', 'time_zone'])(
  'gives a new session up that falls silent at its set-up (%s)',
  async (statement) => {
    const fresh = opened();
    proxy.swallowAt(statement);
    expect(await unavailableAfter(() => fresh.jobs.nowMs())).toBeLessThan(CONNECT_MS + SLACK_MS);
    expect(proxy.sprung).toBe(true);
    expect(await msOf(() => fresh.jobs.nowMs())).toBeLessThan(SLACK_MS);
  },
);

it('ends a transaction by its own deadline, and lets the next have a session that works', async () => {
  const { lease } = await started();
  proxy.swallowAt('COMMIT');
  const released = { type: 'RELEASED', fence: 1, why: 'test' } as const;
  const waitedMs = await unavailableAfter(() => jobs.commit(lease.jobId, released, lease));
  expect(waitedMs).toBeGreaterThan(10_000 - 50);
  expect(waitedMs).toBeLessThan(10_000 + SLACK_MS);
  expect(proxy.sprung).toBe(true);
  expect(await jobs.commit(lease.jobId, released, lease)).toMatchObject({ ok: true, state: 'OPEN' });
}, 20_000);
