// What the store does when connections break, locks are held and the database is away.

import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { Claim, JobStore } from '../../../src/domain/store.ts';
import { JOB_STATES } from '../../../src/domain/job.ts';
import { statesTagged } from '../../../src/machines/replay-job/decide.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { checkHistory, checkTurns, draft, freshDatabase, newReplay } from '../../support/database.ts';
import { newWebhook, TENANT, threadsRunning } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';
import { Proxy } from './proxy.ts';

const request = { instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 10 };
const asked = { by: 'op', why: 'test' };
const released = { type: 'RELEASED', fence: 1, why: 'test' } as const;

let database: TestDatabase;
let proxy: Proxy;
let jobs: JobStore;
let replays: ReplayStore;

beforeAll(async () => {
  database = await freshDatabase();
  proxy = new Proxy(database.url);
  await proxy.accept();
  const db = database.open({ url: proxy.url, leaseMs: 4_000 });
  jobs = createJobStore(db);
  replays = createReplayStore(db);
});
afterAll(async () => {
  await database.drop();
  await proxy.refuse();
});
beforeEach(async () => {
  database.signals.length = 0;
  await database.query('DELETE FROM replay_jobs');
  await database.query('DELETE FROM job_transitions');
});

async function started(): Promise<Claim> {
  await newReplay(replays, await newWebhook(replays));
  const claim = await jobs.claim(request);
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

const signalled = (name: string): unknown[] =>
  database.signals.filter((signal) => signal.name === name).map(({ fields }) => fields);

describe.each(['before', 'after'] as const)('a COMMIT whose connection breaks %s it is done', (when) => {
  it('is told from one that was not: a fact is written once', async () => {
    const { lease } = await started();
    proxy.breakAt('COMMIT', when);
    const result = await jobs.commit(lease.jobId, released, lease);
    expect(proxy.sprung).toBe(true);
    expect(result).toMatchObject({ ok: true, state: 'OPEN', facts: [{ type: 'RELEASED', seq: 3 }] });
    expect(await jobs.factsAfter(lease.jobId, 2)).toEqual(result.ok ? result.facts : null);
    await checkHistory(database, lease.jobId);
    expect(signalled('store.retry')).toHaveLength(1);
    expect(signalled('database.lost')).toEqual([]);
  });

  it('claims one job once', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    await newReplay(replays, await newWebhook(replays));
    proxy.breakAt('COMMIT', when);
    const claim = await jobs.claim(request);
    expect(claim?.lease).toMatchObject({ jobId: job.id, fence: 1 });
    expect(claim && (await jobs.commit(job.id, released, claim.lease)).ok).toBe(true);
  });

  it('creates one webhook and one job, and deletes once', async () => {
    proxy.breakAt('COMMIT', when);
    const webhook = await replays.createWebhook(TENANT, { ...draft, key: `key-${when}` });
    if (webhook === 'key_taken') throw new Error('its own key was taken');
    proxy.breakAt('COMMIT', when);
    const job = await newReplay(replays, webhook.id);
    const { items } = await replays.replays(TENANT, { limit: 10, cursor: null });
    expect(items.map(({ id }) => id)).toEqual([job.id]);
    await replays.steer(TENANT, job.id, { type: 'CANCEL_REQUESTED', ...asked });
    proxy.breakAt('COMMIT', when);
    expect(await replays.deleteWebhook(TENANT, webhook.id)).toBe('deleted');
  });
});

/** vitest's own second is short on a busy machine. */
const PATIENT = { timeout: 10_000 };

describe('a transaction is run again as a whole', () => {
  it('when its connection is killed', async () => {
    const { lease } = await started();
    const holder = await database.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT id FROM replay_jobs FOR UPDATE');
    const committing = jobs.commit(lease.jobId, released, lease);
    const [victim] = await vi.waitUntil(async () => {
      const threads = await threadsRunning(database, '%replay_jobs%for update%');
      return threads.length > 0 && threads;
    }, PATIENT);
    await database.query(`KILL ${String(victim)}`);
    await vi.waitUntil(() => signalled('store.retry').length > 0, PATIENT);
    await holder.query('ROLLBACK');
    expect(await committing).toMatchObject({ ok: true });
    await checkHistory(database, lease.jobId);
  });

  it('when it was the victim of a deadlock (1213)', async () => {
    const { lease, job } = await started();
    const rival = await database.connect();
    await rival.query('BEGIN');
    // The server ends the transaction that wrote less.
    for (let n = 0; n < 20; n++) {
      await rival.query(`INSERT INTO instances VALUES ('i${n}', '1', '{}', NOW(), NOW())`);
    }
    await rival.query('SELECT id FROM webhooks WHERE id = ? FOR UPDATE', [BigInt(job.spec.webhookId)]);
    const end = { type: 'FAILED', fence: 1, reason: 'log_replaced', why: 'x' } as const;
    const committing = jobs.commit(lease.jobId, end, lease);
    await vi.waitUntil(
      async () => (await threadsRunning(database, '%webhooks%for update%')).length > 0,
      PATIENT,
    );
    await rival.query('SELECT id FROM replay_jobs WHERE id = ? FOR UPDATE', [BigInt(lease.jobId)]);
    await vi.waitUntil(() => signalled('store.retry').length > 0, PATIENT);
    expect(signalled('store.retry')).toEqual([{ errno: 1213, attempt: 1 }]);
    await rival.query('ROLLBACK');
    expect(await committing).toMatchObject({ ok: true, state: 'FAILED' });
    await checkTurns(database);
  });

  it('when a lock was held too long (1205), which alone would undo only the statement', async () => {
    const { lease } = await started();
    const rogue = await database.connect();
    await rogue.query('BEGIN');
    await rogue.query('SELECT id FROM replay_jobs FOR UPDATE');
    const committing = jobs.commit(lease.jobId, released, lease);
    await vi.waitUntil(() => signalled('store.retry').length > 0, { timeout: 10_000 });
    expect(signalled('store.retry')).toEqual([{ errno: 1205, attempt: 1 }]);
    await rogue.query('ROLLBACK');
    expect(await committing).toMatchObject({ ok: true });
  });
});

describe('a short wait_timeout on sessions for transactions', () => {
  it('frees the row of a process that stopped between SELECT ... FOR UPDATE and COMMIT', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    const stopped = database.open({ leaseMs: 2_000, poolSize: 1 });
    const locked = Promise.withResolvers<undefined>();
    const awake = Promise.withResolvers<undefined>();
    const asleep = stopped.transactions.connection().execute(async (tx) => {
      await sql`START TRANSACTION`.execute(tx);
      await tx.selectFrom('replay_jobs').select('id').forUpdate().execute();
      locked.resolve(undefined);
      await awake.promise;
      await sql`COMMIT`.execute(tx);
    });
    await locked.promise;
    expect(await jobs.claim(request)).toBeNull();
    const claim = await vi.waitUntil(() => jobs.claim(request), { timeout: 10_000, interval: 100 });
    expect(claim.lease.jobId).toBe(job.id);
    awake.resolve(undefined);
    await expect(asleep).rejects.toThrow();
  });

  it('does not cost a retry when it closes sessions that were idle', async () => {
    const own = database.open({ leaseMs: 2_000, poolSize: 3 });
    const store = createJobStore(own);
    const threads = async (): Promise<number> => {
      const rows = await database.query<{ sessions: string }>(
        'SELECT COUNT(*) AS sessions FROM information_schema.processlist WHERE db = DATABASE()',
      );
      return Number(rows[0]?.sessions);
    };
    const before = await threads();
    await Promise.all([store.claim(request), store.claim(request), store.claim(request)]);
    expect(await threads()).toBe(before + 3);
    await vi.waitUntil(async () => (await threads()) === before, { timeout: 10_000, interval: 100 });
    expect(await store.claim(request)).toBeNull();
    expect(signalled('store.retry')).toEqual([]);
    expect(signalled('database.lost')).toEqual([]);
  });
});

describe('a database that is away', () => {
  it('is one error for callers and one signal per outage, and work goes on when it is back', async () => {
    const { lease } = await started();
    await proxy.refuse();
    const calls = [
      () => jobs.claim(request),
      () => jobs.commit(lease.jobId, released, lease),
      () => jobs.look(request.instance),
      () => replays.ping(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
    }
    expect(signalled('database.lost')).toHaveLength(1);
    expect(signalled('database.back')).toEqual([]);
    await proxy.accept();
    expect(await jobs.commit(lease.jobId, released, lease)).toMatchObject({ ok: true });
    await replays.ping();
    expect(signalled('database.back')).toHaveLength(1);
  });

  it('at start is no reason to throw before it is asked', async () => {
    await proxy.refuse();
    const db = database.open({ url: proxy.url });
    await expect(db.migrate()).rejects.toMatchObject({ code: 'database_unavailable' });
    await proxy.accept();
    await db.migrate();
    await createReplayStore(db).ping();
  });

  it('or refuses the login, is unavailable too, without a word of it for clients', async () => {
    const url = Object.assign(new URL(database.url), { username: 'nobody', password: 'secret' }).href;
    const away = createReplayStore(database.open({ url })).ping();
    await expect(away).rejects.toMatchObject({ code: 'database_unavailable' });
    await expect(away).rejects.not.toThrow(/nobody|secret/);
  });
});

describe('the schema', () => {
  it('refuses rows that no history makes', async () => {
    const { lease } = await started();
    const changes = [
      `turn = 0`,
      `lease_until = NULL`,
      `lease_token = NULL`,
      `state = 'PAUSED'`,
      `state = 'COMPLETED', owner = NULL, lease_token = NULL, lease_until = NULL`,
      `state = 'NONSENSE'`,
    ];
    for (const change of changes) {
      const update = database.query(`UPDATE replay_jobs SET ${change} WHERE id = ?`, [BigInt(lease.jobId)]);
      await expect(update, change).rejects.toThrow(/constraint/i);
    }
  });

  it('allows the states of the machine of today: another one needs another migration', async () => {
    const [row] = await database.query<Record<string, string>>('SHOW CREATE TABLE replay_jobs');
    const lines = (row?.['Create Table'] ?? '').split('\n');
    const statesIn = (constraint: string): string[] => {
      const line = lines.find((each) => each.includes(`CONSTRAINT \`${constraint}\``)) ?? '';
      return [...new Set(line.match(/(?<=')[A-Z]+(?=')/g))].sort();
    };
    expect(statesIn('replay_jobs_state')).toEqual([...JOB_STATES].sort());
    const leased = statesTagged('leased');
    expect(statesIn('replay_jobs_lease')).toEqual([...leased].sort());
    expect(statesIn('replay_jobs_turn')).toEqual([...statesTagged('claimable'), ...leased].sort());
  });

  it('is made once by concurrent migrators, and again after a crash halfway', async () => {
    const tables = await database.query<Record<string, string>>('SHOW TABLES');
    const names = tables.flatMap((row) => Object.values(row));
    for (const name of names) await database.query(`DROP TABLE ${name}`);
    await Promise.all([1, 2, 3, 4].map(() => database.open().migrate()));
    expect(await database.query('SHOW TABLES')).toHaveLength(names.length);
    await database.query('DROP TABLE minute_ledger');
    await database.query('DELETE FROM kysely_migration');
    await database.open().migrate();
    expect(await database.query('SHOW TABLES')).toHaveLength(names.length);
  });

  it('is spoken to in READ COMMITTED, UTC and strict sessions', async () => {
    const db = database.open({ leaseMs: 30_000 });
    for (const [pool, idle] of [
      [db.sessions, null],
      [db.transactions, '15'],
    ] as const) {
      const { rows } = await sql<{ Variable_name: string; Value: string }>`SHOW SESSION VARIABLES WHERE
        Variable_name IN ('tx_isolation', 'transaction_isolation', 'time_zone', 'sql_mode', 'wait_timeout')
      `.execute(pool);
      const value = Object.fromEntries(rows.map((row) => [row.Variable_name, row.Value]));
      expect(value['transaction_isolation'] ?? value['tx_isolation']).toBe('READ-COMMITTED');
      expect(value['time_zone']).toBe('+00:00');
      expect(value['sql_mode']).toContain('STRICT_ALL_TABLES');
      if (idle !== null) expect(value['wait_timeout']).toBe(idle);
    }
  });

  it('says which settings of the server could forget a fence', async () => {
    expect(await database.open().warnings()).toEqual([]);
  });
});
