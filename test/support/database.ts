// A database of its own for each test file, on the real server that REPRISE_TEST_DATABASE_URL names, and the
// facts that must hold in it after every step.

import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import mysql from 'mysql2/promise';
import type { Connection, Pool, RowDataPacket } from 'mysql2/promise';
import type { Fact } from '../../src/domain/fact.ts';
import { asTenantId } from '../../src/domain/ids.ts';
import type { TenantId, WebhookId } from '../../src/domain/ids.ts';
import type { Emit, SignalName } from '../../src/domain/signals.ts';
import { SINGLE } from '../../src/domain/message.ts';
import type { ReplayStore, WebhookDraft } from '../../src/domain/replay-store.ts';
import type { JobStore, JobView } from '../../src/domain/store.ts';
import { fold } from '../../src/machines/replay-job/decide.ts';
import { openDatabase } from '../../src/store/database.ts';
import type { Database } from '../../src/store/database.ts';
import { decidedOf } from '../../src/store/job-row.ts';
import { createJobStore } from '../../src/store/job-store.ts';
import { createReplayStore } from '../../src/store/replay-store.ts';
import type { ReplayJobRow } from '../../src/store/schema.ts';
import { SPEC } from './example.ts';

export interface TestDatabase {
  readonly url: string;
  /** Signals of all databases opened here. */
  readonly signals: { readonly name: SignalName; readonly fields: unknown }[];
  /** Opens it as an instance would; closed by `drop`. */
  open(options?: { url?: string; poolSize?: number; leaseMs?: number }): Database;
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A connection beside the pools, for instance to hold a lock. */
  connect(): Promise<Connection>;
  drop(): Promise<void>;
}

/** `server`: a URL whose user may create databases. */
export async function freshDatabase(
  server = process.env['REPRISE_TEST_DATABASE_URL'],
): Promise<TestDatabase> {
  if (!server)
    throw new Error('REPRISE_TEST_DATABASE_URL is not set: run `npm test`, which starts the stack');
  const name = `reprise_test_${randomBytes(6).toString('hex')}`;
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  const first = await mysql.createConnection(server);
  await first.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await first.end();
  const admin = poolOf(url);
  const signals: TestDatabase['signals'] = [];
  const emit: Emit = (signal, fields) => signals.push({ name: signal, fields });
  const opened: { close(): Promise<void> }[] = [];
  const database: TestDatabase = {
    url,
    signals,
    open(options = {}) {
      const db = openDatabase({ url, poolSize: 8, leaseMs: 30_000, emit, ...options });
      opened.push(db);
      return db;
    },
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      const [rows] = await admin.query<RowDataPacket[]>(
        { sql, supportBigNumbers: true, bigNumberStrings: true, dateStrings: true },
        [...values],
      );
      return rows as Row[];
    },
    async connect() {
      const connection = await mysql.createConnection(url);
      opened.push({
        close: () => {
          connection.destroy();
          return Promise.resolve();
        },
      });
      return connection;
    },
    async drop() {
      await Promise.all(opened.map((each) => each.close()));
      await admin.query(`DROP DATABASE ${name}`);
      await admin.end();
    },
  };
  await database.open().migrate();
  return database;
}

export interface Stores {
  readonly database: TestDatabase;
  readonly jobs: JobStore;
  readonly replays: ReturnType<typeof createReplayStore>;
}

/** A database of its own, and both sides of the store over it. */
export async function freshStores(): Promise<Stores> {
  const database = await freshDatabase();
  const db = database.open();
  return { database, jobs: createJobStore(db), replays: createReplayStore(db) };
}

const OF_JOBS = ['replay_jobs', 'job_transitions', 'job_gaps', 'dead_letters', 'minute_ledger', 'outbox'];

/** Every row of every job. */
export async function removeJobs(database: TestDatabase): Promise<void> {
  for (const table of OF_JOBS) await database.query(`DELETE FROM ${table}`);
}

/** A pool, because it outlives a server that a test kills. */
function poolOf(url: string): Pool {
  const pool = mysql.createPool({ uri: url, connectionLimit: 2 });
  // The pool hears the first error of a connection only; a second one would end the test run.
  pool.on('connection', (connection) => connection.on('error', () => undefined));
  return pool;
}

export const TENANT = asTenantId('acme');

export const draft: WebhookDraft = {
  url: 'http://127.0.0.1:9/hook',
  key: null,
  description: '',
  maxRate: null,
  concurrency: null,
  delivery: SINGLE,
  secret: 'whsec_dGVzdA==',
};

export async function newWebhook(store: ReplayStore, tenant: TenantId = TENANT): Promise<WebhookId> {
  const webhook = await store.createWebhook(tenant, draft);
  if (webhook === 'key_taken') throw new Error('a fresh key was taken');
  return webhook.id;
}

export async function newReplay(store: ReplayStore, id: WebhookId, tenant = TENANT): Promise<JobView> {
  const job = await store.requestReplay(tenant, id, SPEC, 'test');
  if (job === 'no_webhook') throw new Error('the webhook is not there');
  return job;
}

/** A lease that ended is a fact of the database: written there, nobody waits for a clock. */
export async function endLease(database: TestDatabase, jobId: string): Promise<void> {
  await database.query(
    `UPDATE replay_jobs SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE id = ?`,
    [BigInt(jobId)],
  );
}

export async function rowOf(database: TestDatabase, jobId: string): Promise<ReplayJobRow> {
  const [row] = await database.query<ReplayJobRow>('SELECT * FROM replay_jobs WHERE id = ?', [BigInt(jobId)]);
  if (!row) throw new Error(`no job ${jobId}`);
  return row;
}

/** Ids of other threads on this database that run a statement like this one now. */
export async function threadsRunning(database: TestDatabase, like: string): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    `SELECT id AS id FROM information_schema.processlist
     WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE ?`,
    [like],
  );
  return rows.map(({ id }) => id);
}

interface Step {
  readonly job_id: string;
  readonly seq: number;
  readonly type: string;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly fence: number;
  readonly body: unknown;
  readonly at: string;
}

/**
 * Every property that holds between commits: fold(facts) equals the row (its cut and counts may be newer), seq
 * is gapless, each step begins where the last ended, fences and times never fall, the columns repeat the body.
 */
export async function checkHistory(database: TestDatabase, jobId: string): Promise<void> {
  const steps = await database.query<Step>('SELECT * FROM job_transitions WHERE job_id = ? ORDER BY seq', [
    BigInt(jobId),
  ]);
  checkSteps(await rowOf(database, jobId), steps);
}

/** The same of all jobs, in two statements; tells how many there are. */
export async function checkHistories(database: TestDatabase): Promise<number> {
  const rows = await database.query<ReplayJobRow>('SELECT * FROM replay_jobs');
  const steps = await database.query<Step>('SELECT * FROM job_transitions ORDER BY job_id, seq');
  const byJob = Map.groupBy(steps, (step) => step.job_id);
  for (const row of rows) checkSteps(row, byJob.get(row.id) ?? []);
  must('any', 'number of histories', byJob.size, rows.length);
  return rows.length;
}

function checkSteps(stored: ReplayJobRow, steps: readonly Step[]): void {
  const jobId = stored.id;
  const facts = steps.map(({ body }) => (typeof body === 'string' ? JSON.parse(body) : body) as Fact);
  const folded = fold(facts);
  const row = decidedOf(stored);
  const { cut: _cut, counts: _counts, ...expected } = folded.context;
  const { cut: _newerCut, counts: _newerCounts, ...actual } = row.context;
  must(jobId, 'state', row.state, folded.state);
  must(jobId, 'row', actual, expected);
  for (const [index, step] of steps.entries()) {
    const before = steps[index - 1];
    const fact = facts[index];
    must(jobId, 'from', step.from_state, before?.to_state ?? null);
    must(jobId, 'seq and type', [step.seq, step.type], [index + 1, fact?.type]);
    if (before && (step.fence < before.fence || step.at < before.at)) {
      throw new Error(`job ${jobId}: fence or time fell at seq ${step.seq}`);
    }
  }
}

/** No webhook has two turns, and none has OPEN jobs but nobody with the turn. */
export async function checkTurns(database: TestDatabase): Promise<void> {
  const wrong = await database.query(
    `SELECT webhook_id, SUM(turn) AS turns, SUM(state = 'OPEN') AS waiting FROM replay_jobs
     GROUP BY webhook_id HAVING turns > 1 OR (waiting > 0 AND turns = 0)`,
  );
  if (wrong.length > 0) throw new Error(`turns are lost or doubled: ${JSON.stringify(wrong)}`);
}

function must(jobId: string, what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(
    `job ${jobId}: ${what} is ${JSON.stringify(actual)}, its facts say ${JSON.stringify(expected)}`,
  );
}
