// Replay jobs from the API's side: request, read, list, steer. Every query carries the tenant; a foreign id is
// an absent one.

import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { asWebhookId, newId } from '../domain/ids.ts';
import type { JobId, TenantId, WebhookId } from '../domain/ids.ts';
import { NO_COUNTS } from '../domain/job.ts';
import type { JobSpec } from '../domain/job.ts';
import type { JobView, Page, PageRequest, Transition } from '../domain/store.ts';
import { foresee } from './advance.ts';
import { readGaps } from './cut-rows.ts';
import type { Database } from './database.ts';
import { isDuplicateKey } from './failures.ts';
import { insertFacts, readTransitions } from './history.ts';
import { columnsOf, viewOf } from './job-row.ts';
import type { ReplayJobRow, Tables } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { isTurnFree, lockWebhook } from './turn.ts';
import { bigint, cursorOf, fromDatetime, toDatetime, toJson } from './values.ts';
import { keyText } from './webhook-reads.ts';

export type RequestedSpec = Omit<JobSpec, 'webhookId' | 'key'>;

const FRESH_IDS = 3;

export async function insertReplay(
  db: Database,
  tenant: TenantId,
  webhookId: WebhookId,
  asked: RequestedSpec,
  by: string,
): Promise<JobView | 'no_webhook'> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryToInsert(db, tenant, webhookId, asked, by);
    } catch (error) {
      if (!isDuplicateKey(error) || tries === FRESH_IDS) throw error;
    }
  }
}

/** Under the webhook's lock, which decides about the turn (turn.ts) and against a deletion meanwhile. */
function tryToInsert(
  db: Database,
  tenant: TenantId,
  webhookId: WebhookId,
  asked: RequestedSpec,
  by: string,
): Promise<JobView | 'no_webhook'> {
  let id: string | null = null;
  return inTransaction<JobView | 'no_webhook'>(db, async (tx, doubt) => {
    const webhook = await lockWebhook(tx, webhookId);
    if (doubt && id !== null) {
      const mine = await selectJob(tx, tenant, id);
      if (mine) return undo(viewOf(mine, []));
    }
    if (webhook?.tenant !== tenant || webhook.deleted_at !== null) return undo('no_webhook');
    const nowMs = fromDatetime(webhook.now);
    id = newId(nowMs);
    const spec: JobSpec = { ...asked, webhookId: asWebhookId(webhook.id), key: keyText(webhook.record_key) };
    const born = foresee(null, { type: 'REQUESTED', spec, by }, nowMs, { cut: null, counts: NO_COUNTS });
    if (!born) throw new Error('the machine refuses the first fact');
    const { state, context } = born.last;
    const turn = await isTurnFree(tx, webhook.id);
    await insertJob(tx, { id, tenant, spec, nowMs, turn, columns: columnsOf(state, context) });
    await insertFacts(tx, id, null, born, randomBytes(16).toString('base64url'));
    const row = await selectJob(tx, tenant, id);
    if (!row) throw new Error(`job ${id} vanished in its own transaction`);
    return keep(viewOf(row, []));
  });
}

interface NewJob {
  readonly id: string;
  readonly tenant: TenantId;
  readonly spec: JobSpec;
  readonly nowMs: number;
  readonly turn: boolean;
  readonly columns: ReturnType<typeof columnsOf>;
}

async function insertJob(tx: Tx, { id, tenant, spec, nowMs, turn, columns }: NewJob): Promise<void> {
  await tx
    .insertInto('replay_jobs')
    .values({
      ...columns,
      id: bigint(id),
      tenant,
      webhook_id: bigint(spec.webhookId),
      spec: toJson(spec),
      parent_job_id: spec.parentJobId === null ? null : bigint(spec.parentJobId),
      group_id: spec.groupId,
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

async function selectJob(db: Kysely<Tables>, tenant: TenantId, id: string): Promise<ReplayJobRow | null> {
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
  if (!row) return null;
  const gaps = await readGaps(db, [row.id]);
  return viewOf(row, gaps(row.id));
}

/** Newest first. */
export async function readReplays(
  db: Kysely<Tables>,
  tenant: TenantId,
  { limit, cursor }: PageRequest,
): Promise<Page<JobView>> {
  let query = db.selectFrom('replay_jobs').selectAll().where('tenant', '=', tenant);
  if (cursor !== null) query = query.where('id', '<', bigint(cursorOf(cursor)));
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const shown = rows.slice(0, limit);
  const gaps = await readGaps(
    db,
    shown.map((row) => row.id),
  );
  const items = shown.map((row) => viewOf(row, gaps(row.id)));
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
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
