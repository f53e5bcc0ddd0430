// Webhooks: create, change, delete. Every query carries the tenant. A deletion is soft: jobs' histories go on naming the webhook.
//
// Record keys are exact bytes, unique over all tenants: a key is the right to read its events. A deleted
// webhook keeps its key reserved for its tenant; only a new webhook of the same tenant takes it over.

import { newId } from '../domain/ids.ts';
import type { TenantId, WebhookId } from '../domain/ids.ts';
import type { Once } from '../domain/once.ts';
import type { WebhookDraft, WebhookPatch, WebhookView } from '../domain/replay-store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { isDuplicateKey } from './failures.ts';
import { readClock } from './look.ts';
import { onceInTransaction } from './once.ts';
import { provesAnew } from './proofs.ts';
import type { WebhookRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { lockWebhook } from './turn.ts';
import { bigint, toJson, utcNow } from './values.ts';
import { toProfile } from './request-profile.ts';
import { selectWebhook, webhookViewOf } from './webhook-reads.ts';

/** An id, or a default key, that is already there: one in 2^22 per millisecond, or somebody's own key. */
const FRESH_IDS = 3;

export async function createWebhook(
  db: Database,
  tenant: TenantId,
  draft: WebhookDraft,
  once: Once<WebhookView> | null,
): Promise<WebhookView | 'key_taken'> {
  for (let tries = 1; ; tries++) {
    try {
      const created = await tryToCreate(db, tenant, draft, once);
      if (created !== 'key_taken' || draft.key !== null || tries === FRESH_IDS) return created;
    } catch (error) {
      // Lost a race for the key or the id: the next run sees who was first.
      if (!isDuplicateKey(error) || tries === FRESH_IDS) throw error;
    }
  }
}

async function tryToCreate(
  db: Database,
  tenant: TenantId,
  draft: WebhookDraft,
  once: Once<WebhookView> | null,
) {
  let id: string | null = null;
  return onceInTransaction<WebhookView, 'key_taken'>(db, once, async (tx, doubt) => {
    if (doubt && id !== null) {
      const mine = await selectWebhook(tx, tenant, id);
      if (mine) return undo(webhookViewOf(mine));
    }
    id = newId(await readClock(tx));
    const key = Buffer.from(draft.key ?? id, 'utf8');
    const holder = await lockKey(tx, key);
    if (holder) {
      if (holder.tenant !== tenant || holder.deleted_at === null) return undo('key_taken');
      await giveKeyUp(tx, holder.id);
    }
    await insertWebhook(tx, tenant, id, key, draft);
    const row = await selectWebhook(tx, tenant, id);
    if (!row) throw new Error(`webhook ${id} vanished in its own transaction`);
    return keep(webhookViewOf(row));
  });
}

async function lockKey(tx: Tx, key: Buffer) {
  return tx
    .selectFrom('webhooks')
    .select(['id', 'tenant', 'deleted_at'])
    .where('record_key', '=', key)
    .forUpdate()
    .executeTakeFirst();
}

async function giveKeyUp(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('webhooks').set({ record_key: null }).where('id', '=', bigint(id)).execute();
}

async function insertWebhook(
  tx: Tx,
  tenant: TenantId,
  id: string,
  key: Buffer,
  draft: WebhookDraft,
): Promise<void> {
  await tx
    .insertInto('webhooks')
    .values({
      id: bigint(id),
      tenant,
      url: draft.url,
      record_key: key,
      description: draft.description,
      secrets: toJson([draft.secret]),
      secrets_key_id: null,
      max_rate: draft.maxRate,
      concurrency: draft.concurrency,
      profile: toProfile(draft),
      wire_profile: draft.profile ?? 'standard',
      version: 1,
      created_at: utcNow,
      updated_at: utcNow,
      deleted_at: null,
    })
    .execute();
}

const changesProfile = ({ delivery, contentType, headers, notifications }: WebhookPatch): boolean =>
  [delivery, contentType, headers, notifications].some((field) => field !== undefined);

/** A new secret replaces the old ones: whoever changes it because it leaked wants it dead. */
export function changeWebhook(
  db: Database,
  tenant: TenantId,
  id: WebhookId,
  patch: WebhookPatch,
  versions: readonly number[] | null,
) {
  return inTransaction<WebhookView | 'stale' | null>(db, async (tx) => {
    const row = await lockWebhook(tx, id);
    if (row?.tenant !== tenant || row.deleted_at !== null) return undo(null);
    // Also after a COMMIT without an answer that was done: then the client looks and finds its change.
    if (versions && !versions.includes(row.version)) return undo('stale');
    const changes = {
      ...(patch.url === undefined ? {} : { url: patch.url }),
      ...(patch.description === undefined ? {} : { description: patch.description }),
      ...(patch.maxRate === undefined ? {} : { max_rate: patch.maxRate }),
      ...(patch.concurrency === undefined ? {} : { concurrency: patch.concurrency }),
      ...(changesProfile(patch) ? { profile: toProfile(patch, row.profile) } : {}),
      ...(patch.profile === undefined ? {} : { wire_profile: patch.profile }),
      ...(patch.secret === undefined ? {} : { secrets: toJson([patch.secret]) }),
      ...(isOtherTarget(row, patch) ? provesAnew : {}),
    };
    if (Object.keys(changes).length === 0) return undo(webhookViewOf(row));
    await tx
      .updateTable('webhooks')
      .set({ ...changes, version: row.version + 1, updated_at: utcNow })
      .where('id', '=', bigint(id))
      .execute();
    const changed = await selectWebhook(tx, tenant, id);
    if (!changed) throw new Error(`webhook ${id} vanished under its own lock`);
    return keep(webhookViewOf(changed));
  });
}

/** What it has proven says nothing about what it becomes. */
function isOtherTarget(row: WebhookRow, { url, profile, secret }: WebhookPatch): boolean {
  const isMoved = (url ?? row.url) !== row.url || (profile ?? row.wire_profile) !== row.wire_profile;
  return isMoved || secret !== undefined;
}

/** Under the webhook's lock, as inserts of jobs are: none can slip in between the look and the deletion. */
export function removeWebhook(db: Database, tenant: TenantId, id: WebhookId) {
  return inTransaction<'deleted' | 'absent' | 'has_live_jobs'>(db, async (tx, doubt) => {
    const row = await lockWebhook(tx, id);
    if (row?.tenant !== tenant) return undo('absent');
    if (row.deleted_at !== null) return undo(doubt ? 'deleted' : 'absent');
    if (await hasLiveJobs(tx, id)) return undo('has_live_jobs');
    await tx
      .updateTable('webhooks')
      .set({ deleted_at: utcNow, updated_at: utcNow, proof_due: null })
      .where('id', '=', bigint(id))
      .execute();
    return keep('deleted');
  });
}

/** Only under the webhook's lock: no job is made meanwhile. */
export async function hasLiveJobs(tx: Tx, id: WebhookId): Promise<boolean> {
  const job = await tx
    .selectFrom('replay_jobs')
    .select('id')
    .where('webhook_id', '=', bigint(id))
    .where('state', 'in', statesTagged('live'))
    .limit(1)
    .executeTakeFirst();
  return job !== undefined;
}
