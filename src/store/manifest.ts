// What manifests and completion events are made from. A job that has ended never moves again, so its rows are read
// without a lock; a paused one may have gone on meanwhile, and its event is folded from the facts that were there.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { EventContent, EventKey } from '../domain/completion.ts';
import type { JobId, TenantId } from '../domain/ids.ts';
import { asJobId } from '../domain/ids.ts';
import { isFinal, minuteOf } from '../domain/manifest.ts';
import type { ManifestJob } from '../domain/manifest.ts';
import type { ManifestPage, PageRequest } from '../domain/replay-store.ts';
import { fold } from '../machines/replay-job/decide.ts';
import { minuteEntryOf } from './cut-rows.ts';
import { readFacts } from './history.ts';
import { readReplay, viewWithGaps } from './replays.ts';
import type { ReplayJobRow, Tables } from './schema.ts';
import { bigint, cursorOf, fromDatetime } from './values.ts';

/** Minutes oldest first, those behind the cursor. */
export async function readManifest(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: JobId,
  { limit, cursor }: PageRequest,
): Promise<ManifestPage | null> {
  const job = await readReplay(db, tenant, id);
  if (!job) return null;
  const after = cursor === null ? -1 : Number(cursorOf(cursor));
  const rows = await minutesAfter(db, id, after, limit + 1);
  const minutes = rows.slice(0, limit);
  return { job, minutes, nextCursor: rows.length > limit ? String(minutes.at(-1)?.minute) : null };
}

async function minutesAfter(db: Kysely<Tables>, jobId: string, after: number, limit: number) {
  const rows = await db
    .selectFrom('minute_ledger')
    .selectAll()
    .where('job_id', '=', bigint(jobId))
    .where('minute', '>', after)
    .orderBy('minute')
    .limit(limit)
    .execute();
  return rows.map(minuteEntryOf);
}

/** The job as the event's fact left it. */
export async function readEventContent(
  db: Kysely<Tables>,
  { jobId, seq }: EventKey,
  mostMinutes: number,
): Promise<EventContent | null> {
  const row = await db
    .selectFrom('replay_jobs')
    .selectAll()
    .where('id', '=', bigint(jobId))
    .executeTakeFirst();
  if (!row) return null;
  const job = row.version === seq ? await viewWithGaps(db, row) : await foldedAt(db, row, seq);
  const content = { job, atMs: job.updatedAtMs };
  if (!isFinal(job.state)) return { ...content, minutes: null, minuteCount: 0 };
  const entries = await minutesAfter(db, jobId, -1, mostMinutes + 1);
  if (entries.length <= mostMinutes) {
    return { ...content, minutes: entries.map(minuteOf), minuteCount: entries.length };
  }
  return { ...content, minutes: null, minuteCount: await countMinutes(db, jobId) };
}

async function foldedAt(db: Kysely<Tables>, row: ReplayJobRow, seq: number): Promise<ManifestJob> {
  const facts = await readFacts(db, row.id, 0);
  const { state, context } = fold(facts.slice(0, seq));
  const { spec, lastFact } = context;
  if (!spec || !lastFact) throw new Error(`replay ${row.id} has no fact ${seq}`);
  return {
    ...context,
    spec,
    id: asJobId(row.id),
    state,
    version: lastFact.seq,
    gaps: [],
    createdAtMs: fromDatetime(row.created_at),
    updatedAtMs: lastFact.atMs,
  };
}

async function countMinutes(db: Kysely<Tables>, jobId: string): Promise<number> {
  const { rows } = await sql<{ minutes: string }>`
    SELECT COUNT(*) AS minutes FROM minute_ledger WHERE job_id = ${BigInt(jobId)}`.execute(db);
  return Number(rows[0]?.minutes ?? 0);
}
