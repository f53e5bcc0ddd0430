// Pruning: ended jobs go when they are old enough, with everything that is theirs. Age is counted from the last
// fact by the database's clock. Any instance may prune at any time: what another one has locked is skipped.
//
// Only rows of old ended jobs are locked, each by its whole key. A locking read of the range "ended, older than"
// would lock the first row behind the range as well, and that is an OPEN one: no claim could take it meanwhile.
//
// A job stays while a live one needs it: a child that goes on from it, or a job that is sending its dead letters
// again. Whoever makes a child locks its parent's row first, and whoever ties a letter to a job locks the letter; so
// the look that is repeated here under both locks, in a statement of its own (READ COMMITTED: as of now), cannot
// miss one that was just being made.
// Refused: jobs of a newer version's format, which may have more than these tables hold; and webhooks. A deleted
// webhook reserves its record key for its tenant for ever: a forgotten key could be taken by a stranger, and with
// it the right to read the events that are still in the log under it.

import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { JOB_FORMAT } from '../domain/fact.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, utcNowPlus } from './values.ts';

/** A job's rows, the job's own last. */
const TABLES = [
  { table: 'outbox', key: 'job_id' },
  { table: 'dead_letters', key: 'job_id' },
  { table: 'minute_ledger', key: 'job_id' },
  { table: 'job_gaps', key: 'job_id' },
  { table: 'job_transitions', key: 'job_id' },
  { table: 'replay_jobs', key: 'id' },
] as const;

/** Per statement: a job with a million dead letters must not run into a statement's deadline. */
const ROWS_PER_DELETE = 5_000;
/** Per transaction: after so many it takes no further job, so that none grows with what its jobs have. */
const ROWS_PER_TRANSACTION = 10_000;

const ENDED = sql.join(statesTagged('terminal'));

/** Not "a live state": a newer version may have one that is unknown here. */
const needed = sql`(
  EXISTS (SELECT 1 FROM replay_jobs child WHERE child.parent_job_id = j.id AND child.state NOT IN (${ENDED}))
  OR EXISTS (SELECT 1 FROM dead_letters l JOIN replay_jobs sender ON sender.id = l.by_job
    WHERE l.job_id = j.id AND l.state = 'replaying' AND sender.state NOT IN (${ENDED})))`;

/** One transaction. Tells how many jobs are gone: 0 = none is left, or others are at them. */
export function pruneSome(db: Database, retentionMs: number, limit: number): Promise<number> {
  return inTransaction<number>(db, async (tx) => {
    const old = await lockFree(tx, await findOld(tx, retentionMs, limit));
    await lockLetters(tx, old);
    const free = await notNeeded(tx, old);
    let rows = 0;
    let jobs = 0;
    for (const id of free) {
      rows += await remove(tx, id);
      jobs++;
      if (rows >= ROWS_PER_TRANSACTION) break;
    }
    return jobs === 0 ? undo(0) : keep(jobs);
  });
}

/** Without any lock. */
async function findOld(tx: Tx, retentionMs: number, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT j.id FROM replay_jobs j FORCE INDEX (replay_jobs_ended)
    WHERE j.state IN (${ENDED}) AND j.updated_at < ${utcNowPlus(-retentionMs)}
      AND j.format <= ${JOB_FORMAT} AND NOT ${needed}
    LIMIT ${limit}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Those that nobody else holds; an ended job stays one. */
async function lockFree(tx: Tx, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM replay_jobs FORCE INDEX (PRIMARY)
    WHERE id IN (${sql.join(ids.map(bigint))}) FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Those that another job once sent again and a third one may be taking up now, without this job's own row. */
async function lockLetters(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    SELECT offset_no FROM dead_letters FORCE INDEX (dead_letters_state)
    WHERE job_id IN (${sql.join(ids.map(bigint))}) AND state IN ('open', 'replaying') AND by_job IS NOT NULL
    FOR UPDATE`.execute(tx);
}

async function notNeeded(tx: Tx, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    SELECT j.id FROM replay_jobs j WHERE j.id IN (${sql.join(ids.map(bigint))}) AND NOT ${needed}`.execute(
    tx,
  );
  return rows.map(({ id }) => id);
}

/** Tells how many rows it had. */
async function remove(tx: Tx, id: string): Promise<number> {
  let rows = 0;
  for (const { table, key } of TABLES) rows += await removeFrom(tx, sql.table(table), sql.ref(key), id);
  return rows;
}

async function removeFrom(
  tx: Tx,
  table: RawBuilder<unknown>,
  key: RawBuilder<unknown>,
  id: string,
): Promise<number> {
  let removed = 0;
  for (;;) {
    const { numAffectedRows } = await sql`
      DELETE FROM ${table} WHERE ${key} = ${bigint(id)} LIMIT ${ROWS_PER_DELETE}`.execute(tx);
    const gone = Number(numAffectedRows ?? 0n);
    removed += gone;
    if (gone < ROWS_PER_DELETE) return removed;
  }
}
