// Webhooks as they are read: by their tenant, and as the target of a delivery by the owner of one of their jobs
// (`readTarget` alone asks for no tenant). A deleted webhook is not seen.

import type { Kysely } from 'kysely';
import { asTenantId, asWebhookId } from '../domain/ids.ts';
import type { TenantId, WebhookId } from '../domain/ids.ts';
import type { DeliveryTarget } from '../domain/sender.ts';
import type { Page, PageRequest, WebhookView } from '../domain/replay-store.ts';
import { profileOf, validityOf } from './proofs.ts';
import { requestProfileOf } from './request-profile.ts';
import type { Tables, WebhookRow } from './schema.ts';
import { bigint, cursorOf, fromDatetime, fromJson } from './values.ts';

export async function selectWebhook(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: string,
): Promise<WebhookRow | null> {
  const row = await db
    .selectFrom('webhooks')
    .selectAll()
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row ?? null;
}

export async function readWebhook(db: Kysely<Tables>, tenant: TenantId, id: WebhookId) {
  const row = await selectWebhook(db, tenant, id);
  return row && webhookViewOf(row);
}

/** Newest first. */
export async function readWebhooks(
  db: Kysely<Tables>,
  tenant: TenantId,
  { limit, cursor }: PageRequest,
): Promise<Page<WebhookView>> {
  let query = db
    .selectFrom('webhooks')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('deleted_at', 'is', null);
  if (cursor !== null) query = query.where('id', '<', bigint(cursorOf(cursor)));
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(webhookViewOf);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

export async function readTarget(db: Kysely<Tables>, id: WebhookId): Promise<DeliveryTarget | null> {
  const row = await db
    .selectFrom('webhooks')
    .select(['id', 'version', 'url', 'secrets', 'max_rate', 'concurrency', 'profile'])
    .select(['wire_profile', 'proof', 'proof_due'])
    .where('id', '=', bigint(id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (!row) return null;
  return {
    webhookId: asWebhookId(row.id),
    version: row.version,
    url: row.url,
    secrets: fromJson<readonly string[]>(row.secrets),
    maxRate: row.max_rate,
    concurrency: row.concurrency,
    ...requestProfileOf(row.profile),
    profile: profileOf(row),
    validity: validityOf(row),
  };
}

export function webhookViewOf(row: WebhookRow): WebhookView {
  const { delivery, contentType, headers, notifications } = requestProfileOf(row.profile);
  return {
    id: asWebhookId(row.id),
    tenant: asTenantId(row.tenant),
    url: row.url,
    key: keyText(row.record_key),
    description: row.description,
    maxRate: row.max_rate,
    concurrency: row.concurrency,
    delivery,
    contentType,
    headerNames: headers.map(([name]) => name),
    notifications,
    profile: profileOf(row),
    validity: validityOf(row),
    version: row.version,
    createdAtMs: fromDatetime(row.created_at),
    updatedAtMs: fromDatetime(row.updated_at),
  };
}

/** Only a deleted webhook can be without its key, and those are not shown. */
export function keyText(key: Buffer | null): string {
  if (key === null) throw new Error('a webhook without its key is in use');
  return key.toString('utf8');
}
