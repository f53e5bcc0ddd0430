// The outbox of completion events (domain/completion.ts). Owned here: that a row is written with its fact, that one
// sender at a time has it, and what became of it.
//
//   advance() ──fact──> outbox row, in the same transaction     pending, due at once
//   takeEvents ──> token + due_at = now + lease                  short transaction; SKIP LOCKED
//   (the sender sends, without any transaction)
//   settleEvent ──> delivered | given_up | due again             WHERE token = mine
//
// A sender that is lost between any two of them leaves a pending row whose lease ends: the next one sends it again
// under the same id. One that was only late finds another token there and changes nothing.
// Refused: locks on jobs or webhooks. The order of locks is job -> outbox, as facts and pruning take them.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { randomBytes } from 'node:crypto';
import { completionOf } from '../domain/completion.ts';
import type { Addressee, CompletionType, EventFate, TakenEvent, TakeRequest } from '../domain/completion.ts';
import type { JobState } from '../domain/job.ts';
import type { Database } from './database.ts';
import type { Foreseen } from './history.ts';
import { withRetries } from './retries.ts';
import type { ReplayJobRow, Tables } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, clip, fromDatetime, fromJson, toDatetime, utcNow, utcNowPlus } from './values.ts';
import { profileOf, validityOf } from './proofs.ts';
import { requestProfileOf } from './request-profile.ts';

const WHY_LENGTH = 64;

/** In the transaction of the facts, after they are written: a row for each that the webhook wants to hear of. */
export async function noteCompletions(tx: Tx, job: ReplayJobRow, { steps }: Foreseen): Promise<void> {
  const events: { seq: number; atMs: number; type: CompletionType }[] = [];
  let from: JobState = job.state;
  for (const { fact, job: after } of steps) {
    const type = completionOf(from, after.state);
    if (type !== null) events.push({ seq: fact.seq, atMs: fact.atMs, type });
    from = after.state;
  }
  if (events.length === 0) return;
  const webhook = await addresseeOf(tx, job.webhook_id);
  const wanted = events.filter(({ type }) => webhook?.notifications.includes(type));
  if (wanted.length === 0) return;
  const rows = wanted.map(({ seq, atMs, type }) => ({
    job_id: bigint(job.id),
    seq,
    webhook_id: bigint(job.webhook_id),
    type,
    state: 'pending' as const,
    attempts: 0,
    due_at: utcNow,
    token: null,
    last_status: null,
    last_failure: null,
    created_at: toDatetime(atMs),
    settled_at: null,
  }));
  await tx.insertInto('outbox').values(rows).execute();
}

/** Without a lock, as of now; null = deleted. */
async function addresseeOf(db: Kysely<Tables>, webhookId: string): Promise<Addressee | null> {
  const row = await db
    .selectFrom('webhooks')
    .select(['url', 'secrets', 'profile', 'wire_profile', 'proof', 'proof_due'])
    .where('id', '=', bigint(webhookId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (!row) return null;
  const secrets = fromJson<readonly string[]>(row.secrets);
  const { notifications, headers } = requestProfileOf(row.profile);
  return {
    url: row.url,
    secrets,
    notifications,
    headers,
    profile: profileOf(row),
    validity: validityOf(row),
  };
}

interface DueRow {
  readonly job_id: string;
  readonly seq: number;
  readonly webhook_id: string;
  readonly type: CompletionType;
  readonly attempts: number;
  readonly created_at: string;
  readonly now: string;
}

/** A COMMIT without an answer leaves rows taken by nobody: their lease ends, and they come again. */
export function takeEvents(db: Database, request: TakeRequest): Promise<readonly TakenEvent[]> {
  return inTransaction<readonly TakenEvent[]>(db, async (tx) => {
    const due = await lockDue(tx, request);
    const first = [...Map.groupBy(due, (row) => row.webhook_id).values()].flatMap(([row]) => row ?? []);
    const taken: TakenEvent[] = [];
    for (const row of first) taken.push(await takeRow(tx, row, request.leaseMs));
    return taken.length === 0 ? undo(taken) : keep(taken);
  });
}

async function lockDue(tx: Tx, { limit, busy }: TakeRequest): Promise<readonly DueRow[]> {
  const others =
    busy.length === 0 ? sql`` : sql`AND webhook_id NOT IN (${sql.join(busy.map((id) => BigInt(id)))})`;
  const { rows } = await sql<DueRow>`
    SELECT job_id, seq, webhook_id, type, attempts, created_at, UTC_TIMESTAMP(6) AS now
    FROM outbox FORCE INDEX (outbox_due)
    WHERE due_at <= UTC_TIMESTAMP(6) ${others}
    ORDER BY due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

async function takeRow(tx: Tx, row: DueRow, leaseMs: number): Promise<TakenEvent> {
  const token = randomBytes(16).toString('base64url');
  const attempt = row.attempts + 1;
  await tx
    .updateTable('outbox')
    .set({ token, attempts: attempt, due_at: utcNowPlus(leaseMs) })
    .where('job_id', '=', bigint(row.job_id))
    .where('seq', '=', row.seq)
    .execute();
  return {
    jobId: row.job_id,
    seq: row.seq,
    webhookId: row.webhook_id,
    type: row.type,
    token,
    attempt,
    ageMs: Math.max(0, fromDatetime(row.now) - fromDatetime(row.created_at)),
    webhook: await addresseeOf(tx, row.webhook_id),
  };
}

/** One statement. Again after a lost answer it finds its token gone and says `fenced`, which costs nothing. */
export function settleEvent(db: Database, taken: TakenEvent, fate: EventFate): Promise<'saved' | 'fenced'> {
  return withRetries(db.emit, async () => {
    const { numUpdatedRows } = await db.sessions
      .updateTable('outbox')
      .set(columnsOf(fate))
      .where('job_id', '=', bigint(taken.jobId))
      .where('seq', '=', taken.seq)
      .where('token', '=', taken.token)
      .executeTakeFirst();
    return numUpdatedRows === 1n ? 'saved' : 'fenced';
  });
}

function columnsOf(fate: EventFate) {
  if (fate.kind === 'again') {
    return { token: null, due_at: utcNowPlus(fate.afterMs), ...refusedBy(fate.why) };
  }
  const ended = { state: fate.kind, token: null, due_at: null, settled_at: utcNow };
  return fate.kind === 'delivered'
    ? { ...ended, last_status: fate.status, last_failure: null }
    : { ...ended, ...refusedBy(fate.why) };
}

const STATUS = /^http_(\d{3})$/;

function refusedBy(why: string) {
  const status = STATUS.exec(why)?.[1];
  return { last_status: status === undefined ? null : Number(status), last_failure: clip(why, WHY_LENGTH) };
}

export interface OutboxGauges {
  readonly pending: number;
  /** Age of the oldest pending event; 0 without one. */
  readonly oldestSeconds: number;
}

/** Only pending rows are in the index. */
export function readOutboxGauges(db: Database): Promise<OutboxGauges> {
  return withRetries(db.emit, async () => {
    const { rows } = await sql<{ pending: string; oldest: string | null; now: string }>`
      SELECT COUNT(*) AS pending, MIN(created_at) AS oldest, UTC_TIMESTAMP(6) AS now
      FROM outbox FORCE INDEX (outbox_due) WHERE due_at IS NOT NULL`.execute(db.sessions);
    const row = rows[0];
    const ageMs = row?.oldest ? fromDatetime(row.now) - fromDatetime(row.oldest) : 0;
    return { pending: Number(row?.pending ?? 0), oldestSeconds: Math.max(0, ageMs / 1_000) };
  });
}
