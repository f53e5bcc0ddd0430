// Replay jobs from the API's side: request and read (replay-list.ts lists). Every query carries the tenant; a foreign id is
// an absent one.

import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Cut } from '../domain/cut.ts';
import { formatOf } from '../domain/fact.ts';
import type { Proposal } from '../domain/fact.ts';
import { asJobId, asWebhookId, newId } from '../domain/ids.ts';
import type { JobId, TenantId, WebhookId } from '../domain/ids.ts';
import { NO_COUNTS } from '../domain/job.ts';
import type { Counts, JobSpec } from '../domain/job.ts';
import { keyHash } from '../domain/partitioner.ts';
import type { Page, PageRequest, Transition } from '../domain/replay-store.ts';
import type { Once } from '../domain/once.ts';
import type { JobView } from '../domain/store.ts';
import { foresee } from './advance.ts';
import { readGaps } from './cut-rows.ts';
import type { Database } from './database.ts';
import { isDuplicateKey } from './failures.ts';
import { insertFacts, readTransitions } from './history.ts';
import { columnsOf, viewOf } from './job-row.ts';
import type { ReplayJobRow, Tables } from './schema.ts';
import { onceInTransaction } from './once.ts';
import { keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { isTurnFree, lockWebhook } from './turn.ts';
import { bigint, fromDatetime, toDatetime, toJson } from './values.ts';
import { keyText } from './webhook-reads.ts';
import { profileOf } from './proofs.ts';

export type RequestedSpec = Omit<JobSpec, 'webhookId' | 'key'>;

const FRESH_IDS = 3;

export interface NewReplay {
  readonly tenant: TenantId;
  readonly webhookId: WebhookId;
  readonly asked: RequestedSpec;
  readonly by: string;
  readonly once: Once<JobView> | null;
}

/** A job that is about to be written. */
export interface Unborn {
  readonly id: JobId;
  readonly webhookId: WebhookId;
  /** The database's clock. */
  readonly nowMs: number;
}

/** What else the job's own transaction does, under the webhook's lock; anything but null undoes it and is the answer. */
export type Admit<Refusal> = (tx: Tx, job: Unborn) => Promise<Refusal | null>;

export async function insertReplay<Refusal = never>(
  db: Database,
  replay: NewReplay,
  admit?: Admit<Refusal>,
): Promise<JobView | 'no_webhook' | Refusal> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryToInsert(db, replay, admit);
    } catch (error) {
      if (!isDuplicateKey(error) || tries === FRESH_IDS) throw error;
    }
  }
}

/** Under the webhook's lock, which decides about the turn (turn.ts) and against a deletion meanwhile. */
function tryToInsert<Refusal>(
  db: Database,
  { tenant, webhookId, asked, by, once }: NewReplay,
  admit: Admit<Refusal> | undefined,
): Promise<JobView | 'no_webhook' | Refusal> {
  let id: string | null = null;
  return onceInTransaction<JobView, 'no_webhook' | Refusal>(db, once, async (tx, doubt) => {
    const webhook = await lockWebhook(tx, webhookId);
    if (doubt && id !== null) {
      const mine = await selectJob(tx, tenant, id);
      if (mine) return undo(viewOf(mine, []));
    }
    if (webhook?.tenant !== tenant || webhook.deleted_at !== null) return undo('no_webhook');
    const nowMs = fromDatetime(webhook.now);
    id = newId(nowMs);
    const spec: JobSpec = { ...asked, webhookId: asWebhookId(webhook.id), key: keyText(webhook.record_key) };
    const settled = { cut: null, counts: NO_COUNTS };
    const format = formatOf(spec, { profile: profileOf(webhook) });
    const fact = { type: 'REQUESTED', spec, by } as const;
    const refused = (await admit?.(tx, { id: asJobId(id), webhookId, nowMs })) ?? null;
    if (refused !== null) return undo(refused);
    return keep(await bearJob(tx, { id, tenant, fact, nowMs, settled, format }));
  });
}

export interface NewJob {
  readonly id: string;
  readonly tenant: TenantId;
  readonly fact: Extract<Proposal, { type: 'REQUESTED' }>;
  /** The database's clock. */
  readonly nowMs: number;
  readonly settled: { readonly cut: Cut | null; readonly counts: Counts };
  /** The least JOB_FORMAT that an instance must know to run it. */
  readonly format: number;
}

/** Writes a job with its first fact. Only under the webhook's lock. */
export async function bearJob(tx: Tx, job: NewJob): Promise<JobView> {
  const born = foresee(null, job.fact, job.nowMs, job.settled);
  if (!born) throw new Error('the machine refuses the first fact');
  await insertJob(tx, job, columnsOf(born.last.state, born.last.context));
  await insertFacts(tx, job.id, null, born, randomBytes(16).toString('base64url'));
  const row = await selectJob(tx, job.tenant, job.id);
  if (!row) throw new Error(`job ${job.id} vanished in its own transaction`);
  return viewOf(row, []);
}

async function insertJob(
  tx: Tx,
  { id, tenant, fact: { spec }, nowMs, format }: NewJob,
  columns: ReturnType<typeof columnsOf>,
): Promise<void> {
  const turn = await isTurnFree(tx, spec.webhookId);
  await tx
    .insertInto('replay_jobs')
    .values({
      ...columns,
      format,
      id: bigint(id),
      tenant,
      webhook_id: bigint(spec.webhookId),
      spec: toJson(spec),
      parent_job_id: spec.parentJobId === null ? null : bigint(spec.parentJobId),
      group_id: spec.groupId,
      key_hash: keyHash(spec.key),
      created_at: toDatetime(nowMs),
      turn: turn ? 1 : 0,
      lease_token: null,
      lease_until: null,
      progress: '0',
      heartbeat: null,
      heartbeat_at: null,
    })
    .execute();
}

export async function selectJob(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: string,
): Promise<ReplayJobRow | null> {
  const row = await db
    .selectFrom('replay_jobs')
    .selectAll()
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  return row ?? null;
}

export async function readReplay(db: Kysely<Tables>, tenant: TenantId, id: JobId): Promise<JobView | null> {
  const row = await selectJob(db, tenant, id);
  return row ? await viewWithGaps(db, row) : null;
}

export async function viewWithGaps(db: Kysely<Tables>, row: ReplayJobRow): Promise<JobView> {
  const gaps = await readGaps(db, [row.id]);
  return viewOf(row, gaps(row.id));
}

export async function readReplayTransitions(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: JobId,
  page: PageRequest,
): Promise<Page<Transition> | null> {
  const row = await selectJob(db, tenant, id);
  return row && readTransitions(db, row.id, page);
}
