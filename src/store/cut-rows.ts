// The rows that one cut writes besides the job's own: dead letters, gaps, minutes of the ledger; and their
// reading. Each write may come again (a retry, or another owner after a crash), so all are upserts of absolute
// values and none adds to what is there.

import { sql } from 'kysely';
import type { Kysely, Selectable } from 'kysely';
import { asSourceName } from '../domain/ids.ts';
import type { DeadLetter, Gap, GapReason } from '../domain/job.ts';
import type { MinuteEntry } from '../domain/minute-ledger.ts';
import type { CutWrite } from '../domain/store.ts';
import { withdrawLetters, writeFates } from './dead-letters.ts';
import type { MinuteRow, Tables } from './schema.ts';
import type { Tx } from './transaction.ts';
import { bigint, clip } from './values.ts';

/** 1,000 rows are about 200 KB of SQL, far below the smallest max_allowed_packet (16 MB). */
const ROWS_PER_INSERT = 1_000;
const EVENT_ID_LENGTH = 512;
const REASON_LENGTH = 255;

export async function writeCutRows(tx: Tx, jobId: string, write: CutWrite): Promise<void> {
  for (const part of chunks(write.deadLetters)) await upsertDeadLetters(tx, jobId, part);
  for (const part of chunks(write.gaps)) await upsertGaps(tx, jobId, part);
  for (const part of chunks(write.minutes)) await upsertMinutes(tx, jobId, part);
  if (write.letters) await writeFates(tx, jobId, write.letters);
  if (write.resent) await withdrawLetters(tx, jobId, write.resent);
  if (write.filledBy !== undefined) await fillGaps(tx, jobId, write.filledBy);
}

async function upsertDeadLetters(tx: Tx, jobId: string, letters: readonly DeadLetter[]): Promise<void> {
  const rows = letters.map((letter) => ({
    job_id: bigint(jobId),
    source: letter.source,
    partition_no: letter.partition,
    offset_no: String(letter.offset),
    event_id: clip(letter.eventId, EVENT_ID_LENGTH),
    event_at_ms: String(letter.timestampMs),
    reason: clip(letter.reason, REASON_LENGTH),
    last_status: letter.lastStatus,
    attempts: letter.attempts,
  }));
  await tx
    .insertInto('dead_letters')
    .values(rows)
    .onDuplicateKeyUpdate({
      reason: sql`VALUES(reason)`,
      last_status: sql`VALUES(last_status)`,
      attempts: sql`VALUES(attempts)`,
    })
    .execute();
}

/** A gap found again may have grown, never shrunk: what was recorded as unread stays unread. */
async function upsertGaps(tx: Tx, jobId: string, gaps: readonly Gap[]): Promise<void> {
  const rows = gaps.map((gap) => ({
    job_id: bigint(jobId),
    source: gap.source,
    from_offset: String(gap.from),
    to_offset: String(gap.to),
    reason: gap.reason,
  }));
  await tx
    .insertInto('job_gaps')
    .values(rows)
    .onDuplicateKeyUpdate({ to_offset: sql`GREATEST(to_offset, VALUES(to_offset))` })
    .execute();
}

/** Those that the site answers for itself stay. */
async function fillGaps(tx: Tx, jobId: string, site: string): Promise<void> {
  await tx
    .updateTable('job_gaps')
    .set({ filled_by: site })
    .where('job_id', '=', bigint(jobId))
    .where(sql<string>`SUBSTRING_INDEX(source, '/', 1)`, '!=', site)
    .execute();
}

/**
 * As literals, because a cut of a sparse range touches 60 minutes and more: six parameters for each were half of what a
 * cut cost. Only whole numbers and hexadecimal digits get into the text.
 */
async function upsertMinutes(tx: Tx, jobId: string, minutes: readonly MinuteEntry[]): Promise<void> {
  const job = whole(BigInt(jobId));
  const rows = minutes.map(
    (entry) =>
      `(${job},${whole(entry.minute)},${whole(entry.delivered)},${binary(entry.deliveredDigest)},` +
      `${whole(entry.deadLettered)},${binary(entry.deadLetteredDigest)},${entry.resent ? 1 : 0})`,
  );
  await sql`INSERT INTO minute_ledger
    (job_id, minute, delivered, delivered_digest, dead_lettered, dead_lettered_digest, resent)
    VALUES ${sql.raw(rows.join(','))}
    ON DUPLICATE KEY UPDATE delivered = VALUES(delivered), delivered_digest = VALUES(delivered_digest),
      dead_lettered = VALUES(dead_lettered), dead_lettered_digest = VALUES(dead_lettered_digest),
      resent = VALUES(resent)`.execute(tx);
}

function whole(number: number | bigint): string {
  const text = String(number);
  if (!/^-?\d+$/.test(text)) throw new RangeError(`${text} is not a whole number`);
  return text;
}

/** 0x and not x'': nothing that a reader of the text could take for the beginning of a string. */
function binary(hex: string): string {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new RangeError(`"${hex}" is no digest`);
  return `0x${hex}`;
}

export async function readMinutes(db: Kysely<Tables>, jobId: string): Promise<readonly MinuteEntry[]> {
  const rows = await db
    .selectFrom('minute_ledger')
    .selectAll()
    .where('job_id', '=', bigint(jobId))
    .orderBy('minute')
    .execute();
  return rows.map(minuteEntryOf);
}

export const minuteEntryOf = (row: Selectable<MinuteRow>): MinuteEntry => ({
  minute: row.minute,
  delivered: Number(row.delivered),
  deliveredDigest: row.delivered_digest.toString('hex'),
  deadLettered: Number(row.dead_lettered),
  deadLetteredDigest: row.dead_lettered_digest.toString('hex'),
  ...(row.resent === 1 && { resent: true }),
});

/** Gaps per job id, in the order of source and offset. */
export async function readGaps(
  db: Kysely<Tables>,
  jobIds: readonly string[],
): Promise<(jobId: string) => readonly Gap[]> {
  if (jobIds.length === 0) return () => [];
  const rows = await db
    .selectFrom('job_gaps')
    .selectAll()
    .where('job_id', 'in', jobIds.map(bigint))
    .orderBy('job_id')
    .orderBy('source')
    .orderBy('from_offset')
    .execute();
  return (jobId) =>
    rows
      .filter((row) => row.job_id === jobId)
      .map((row) => ({
        source: asSourceName(row.source),
        from: Number(row.from_offset),
        to: Number(row.to_offset),
        reason: row.reason as GapReason,
        ...(row.filled_by !== null && { filledBy: row.filled_by }),
      }));
}

function* chunks<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += ROWS_PER_INSERT) {
    yield items.slice(start, start + ROWS_PER_INSERT);
  }
}
