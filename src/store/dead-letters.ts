// Dead letters after their birth: who sends them again, what became of them, and the list that clients see. One row
// per letter, whoever tries it; a job that takes letters does so in the transaction that makes the job (take-up.ts),
// and gives back what it has not delivered in the transaction that ends it. Their birth is in cut-rows.ts.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { DeadLetterState, DeadLetterView, LetterAgain, LetterFate } from '../domain/dead-letter.ts';
import { asJobId, asSourceName } from '../domain/ids.ts';
import type { JobId, TenantId } from '../domain/ids.ts';
import type { Page, PageRequest } from '../domain/replay-store.ts';
import { MINUTE_MS, runsOf } from '../domain/minute-ledger.ts';
import type { DeadLetterRow, Tables } from './schema.ts';
import type { Tx } from './transaction.ts';
import { bigint, refuseCursor } from './values.ts';

const ROWS_PER_UPDATE = 1_000;

/** What a job is to send again and has not settled. */
export async function readLettersAgain(db: Kysely<Tables>, jobId: string): Promise<readonly LetterAgain[]> {
  const rows = await db
    .selectFrom('dead_letters')
    .select(['job_id', 'source', 'partition_no', 'offset_no', 'event_id'])
    .where('by_job', '=', bigint(jobId))
    .where('state', '=', 'replaying')
    .execute();
  return rows.map((row) => ({
    jobId: asJobId(row.job_id),
    source: asSourceName(row.source),
    partition: row.partition_no,
    offset: Number(row.offset_no),
    eventId: row.event_id,
  }));
}

export async function hasOpenLetters(tx: Tx, jobId: string): Promise<boolean> {
  for (const column of ['job_id', 'by_job'] as const) {
    const letter = await tx
      .selectFrom('dead_letters')
      .select('job_id')
      .where(column, '=', bigint(jobId))
      .where('state', '=', 'open')
      .limit(1)
      .executeTakeFirst();
    if (letter) return true;
  }
  return false;
}

/** Under the webhook's lock: all open letters of `jobId` belong to the new job `to`, which is told which. */
export async function takeLetters(tx: Tx, jobId: string, to: string): Promise<readonly LetterAgain[]> {
  for (const column of ['job_id', 'by_job'] as const) {
    await tx
      .updateTable('dead_letters')
      .set({ state: 'replaying', by_job: bigint(to) })
      .where(column, '=', bigint(jobId))
      .where('state', '=', 'open')
      .execute();
  }
  return await readLettersAgain(tx, to);
}

/** At the end of a job: what it has not settled can be asked for again. */
export async function giveLettersBack(tx: Tx, jobId: string): Promise<void> {
  await tx
    .updateTable('dead_letters')
    .set({ state: 'open' })
    .where('by_job', '=', bigint(jobId))
    .where('state', '=', 'replaying')
    .execute();
}

/** Absolute values, so that a repeated write changes nothing. */
export async function writeFates(tx: Tx, jobId: string, fates: readonly LetterFate[]): Promise<void> {
  const groups = Map.groupBy(fates, (fate) => JSON.stringify([placeOf(fate.letter), changeOf(fate)]));
  for (const group of groups.values()) {
    const [fate] = group;
    if (!fate) continue;
    const { jobId: of, source, partition } = fate.letter;
    const offsets = group.map(({ letter }) => letter.offset);
    for (let at = 0; at < offsets.length; at += ROWS_PER_UPDATE) {
      await tx
        .updateTable('dead_letters')
        .set(changeOf(fate))
        .where('job_id', '=', bigint(of))
        .where('source', '=', source)
        .where('partition_no', '=', partition)
        .where(
          'offset_no',
          'in',
          offsets
            .slice(at, at + ROWS_PER_UPDATE)
            .map(String)
            .map(bigint),
        )
        .where('by_job', '=', bigint(jobId))
        .execute();
    }
  }
}

/** Of these minutes all events are sent again, so what is still open of them is no letter any more. */
export async function withdrawLetters(tx: Tx, jobId: string, minutes: readonly number[]): Promise<void> {
  for (const [from, to] of runsOf(minutes)) {
    await tx
      .deleteFrom('dead_letters')
      .where('job_id', '=', bigint(jobId))
      .where('state', '=', 'open')
      .where('event_at_ms', '>=', bigint(String(from * MINUTE_MS)))
      .where('event_at_ms', '<', bigint(String(to * MINUTE_MS)))
      .execute();
  }
}

const placeOf = ({ jobId, source, partition }: LetterAgain) => [jobId, source, partition];

function changeOf(fate: LetterFate) {
  return fate.kind === 'again'
    ? { reason: fate.reason, last_status: fate.lastStatus, attempts: fate.attempts }
    : { state: fate.kind };
}

/** By position; null when the tenant has no such job. */
export async function readDeadLetters(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: JobId,
  { limit, cursor }: PageRequest,
): Promise<Page<DeadLetterView> | null> {
  const job = await db
    .selectFrom('replay_jobs')
    .select('id')
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  if (!job) return null;
  const after = cursor === null ? null : placeAfter(cursor);
  const rows = await sql<DeadLetterRow & { state: DeadLetterState; by_job: string | null }>`
    SELECT * FROM dead_letters
    WHERE (job_id = ${BigInt(id)} OR by_job = ${BigInt(id)})
      AND ${after ? sql`(source, offset_no, job_id) > (${after[0]}, ${BigInt(after[1])}, ${BigInt(after[2])})` : sql`TRUE`}
    ORDER BY source, offset_no, job_id LIMIT ${limit + 1}`.execute(db);
  const items = rows.rows.slice(0, limit).map(letterView);
  const last = rows.rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? `${last.offset}:${last.jobId}:${last.source}` : null };
}

function placeAfter(cursor: string): readonly [source: string, offset: string, job: string] {
  const place = /^(\d{1,18}):(\d{1,19}):(.+)$/.exec(cursor);
  return place ? [place[3] ?? '', place[1] ?? '', place[2] ?? ''] : refuseCursor();
}

function letterView(row: DeadLetterRow & { state: DeadLetterState; by_job: string | null }): DeadLetterView {
  return {
    jobId: asJobId(row.job_id),
    source: asSourceName(row.source),
    partition: row.partition_no,
    offset: Number(row.offset_no),
    eventId: row.event_id,
    timestampMs: Number(row.event_at_ms),
    reason: row.reason,
    lastStatus: row.last_status,
    attempts: row.attempts,
    state: row.state,
    byJobId: row.by_job === null ? null : asJobId(row.by_job),
  };
}
