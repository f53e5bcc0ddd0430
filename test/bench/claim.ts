// A claim behind 10,000 OPEN jobs of one busy webhook: time in its statements, as the server's profiler has it,
// and what a claimer waits in all (round trips and the COMMIT with its sync included, which no index changes).

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { asInstanceId } from '../../src/domain/ids.ts';
import { createJobStore } from '../../src/store/job-store.ts';
import { createReplayStore } from '../../src/store/replay-store.ts';
import { freshDatabase, newReplay, newWebhook } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { against, fixed, percentile, table } from './figures.ts';
import { databaseVersion } from './machine.ts';
import type { Rig } from './rig.ts';

const WAITING = 10_000;
const CLAIMS = 100;
const TARGET_MS = 5;
const CLAIM = { instance: asInstanceId('bench'), leaseMs: 600_000, maxRepeat: 1_000 };

interface Cost {
  readonly statementsMs: number;
  readonly wholeMs: number;
}

interface Profile {
  readonly Query_ID: number;
  readonly Duration: string;
  readonly Query: string;
}

export async function claim(rig: Rig, say: (line: string) => void): Promise<void> {
  const database = await freshDatabase(rig.stack.databaseUrl);
  rig.onClose(() => database.drop());
  // One session: what it profiles is what the claims did.
  const db = database.open({ poolSize: 1 });
  const jobs = createJobStore(db);
  const replays = createReplayStore(db);
  const webhook = await newWebhook(replays);
  const busy = await newReplay(replays, webhook);
  say(`${fixed(WAITING)} jobs of one webhook ...`);
  await copyJob(database, busy.id, WAITING);
  const held = await jobs.claim(CLAIM);
  if (held?.lease.jobId !== busy.id) throw new Error('the busy webhook’s first job was not claimed');

  say(`${CLAIMS} claims ...`);
  const found: Cost[] = [];
  const none: Cost[] = [];
  for (let n = 0; n < CLAIMS; n++) {
    const job = await newReplay(replays, await newWebhook(replays));
    found.push(await costOf(db.transactions, () => jobs.claim(CLAIM), job.id));
    none.push(await costOf(db.transactions, () => jobs.claim(CLAIM), null));
  }
  say(report(await databaseVersion(rig.stack.databaseUrl), found, none));
}

/** The same job `times` times with higher ids, waiting in line behind it. */
async function copyJob(database: TestDatabase, id: string, times: number): Promise<void> {
  const digit =
    '(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 ' +
    'UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)';
  const numbers = `(SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n
    FROM ${digit} a, ${digit} b, ${digit} c, ${digit} d) numbers`;
  const copy = async (table: string, own: Readonly<Record<string, string>>, where: string): Promise<void> => {
    const columns = await database.query<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE()
       AND table_name = ? AND COALESCE(generation_expression, '') = ''`,
      [table],
    );
    const names = columns.map(({ name }) => `\`${name}\``);
    const values = columns.map(({ name }) => own[name] ?? `t.\`${name}\``);
    await database.query(
      `INSERT INTO ${table} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${table} t, ${numbers}
       WHERE ${where} AND numbers.n < ?`,
      [BigInt(id), times],
    );
  };
  await copy('replay_jobs', { id: 't.id + 1 + numbers.n', turn: '0' }, 't.id = ?');
  await copy('job_transitions', { job_id: 't.job_id + 1 + numbers.n' }, 't.job_id = ? AND t.seq = 1');
  await database.query('ANALYZE TABLE replay_jobs, job_transitions');
}

/** The server keeps the profiles of earlier statements as well. */
async function lastProfiled<Tables>(session: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<Profile>`SHOW PROFILES`.execute(session);
  return Math.max(0, ...rows.map(({ Query_ID }) => Query_ID));
}

async function costOf<Tables>(
  session: Kysely<Tables>,
  work: () => Promise<{ readonly lease: { readonly jobId: string } } | null>,
  expected: string | null,
): Promise<Cost> {
  await sql`SET SESSION profiling = 1, profiling_history_size = 50`.execute(session);
  const before = await lastProfiled(session);
  const startedMs = performance.now();
  const claimed = await work();
  const wholeMs = performance.now() - startedMs;
  const { rows } = await sql<Profile>`SHOW PROFILES`.execute(session);
  await sql`SET SESSION profiling = 0`.execute(session);
  if ((claimed?.lease.jobId ?? null) !== expected) throw new Error('another job was claimed than expected');
  const statements = rows.filter(
    ({ Query, Query_ID }) => Query_ID > before && !/^(SET|SHOW|COMMIT|ROLLBACK)/i.test(Query),
  );
  if (statements.length === 0) throw new Error('the server profiled no statement');
  const statementsMs = statements.reduce((sum, { Duration }) => sum + Number(Duration) * 1_000, 0);
  return { statementsMs, wholeMs };
}

function report(version: string, found: readonly Cost[], none: readonly Cost[]): string {
  const row = (name: string, costs: readonly Cost[]): string[] => {
    const statements = costs.map(({ statementsMs }) => statementsMs);
    const whole = costs.map(({ wholeMs }) => wholeMs);
    const median = percentile(statements, 0.5);
    const figures = [median, percentile(statements, 1), percentile(whole, 0.5), percentile(whole, 1)];
    return [name, ...figures.map((ms) => fixed(ms, 2)), against(median, TARGET_MS, 'ms')];
  };
  return [
    `## A claim behind ${fixed(WAITING)} OPEN jobs of one webhook (${version}, ${CLAIMS} claims)`,
    table([
      ['claim', 'statements median ms', 'max ms', 'with COMMIT median ms', 'max ms', 'target of the median'],
      row('another webhook’s job', found),
      row('nothing to claim', none),
    ]),
  ].join('\n\n');
}
