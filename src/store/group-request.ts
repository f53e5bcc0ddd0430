// A replay group as it is requested: its row and a row per webhook, all in one transaction and without a lock on any
// webhook; the jobs are made afterwards (group-work.ts), and one whose webhook is gone by then is refused there.

import { sql } from 'kysely';
import { MAX_GROUP } from '../domain/group.ts';
import type { GroupRequest, GroupRequestRefusal, GroupSummary, GroupView } from '../domain/group.ts';
import { asGroupId, asWebhookId, newId } from '../domain/ids.ts';
import type { GroupId, TenantId, WebhookId } from '../domain/ids.ts';
import type { Once } from '../domain/once.ts';
import { keyHash } from '../domain/partitioner.ts';
import type { Database } from './database.ts';
import { readGroup } from './group-view.ts';
import { onceInTransaction } from './once.ts';
import type { WebhookRow } from './schema.ts';
import { keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, fromDatetime, toDatetime, toJson, utcNow } from './values.ts';
import { keyText } from './webhook-reads.ts';

/** Rows of one INSERT, ids of one question. */
const AT_ONCE = 1_000;

export function requestGroup(
  db: Database,
  tenant: TenantId,
  request: GroupRequest,
  once: Once<GroupView> | null,
): Promise<GroupView | GroupRequestRefusal> {
  let id: GroupId | null = null;
  return onceInTransaction<GroupView, GroupRequestRefusal>(db, once, async (tx, doubt) => {
    const mine = doubt && id !== null ? await readGroup(tx, tenant, id) : null;
    if (mine) return undo(mine);
    const webhooks = await webhooksOf(tx, tenant, request.webhookIds);
    if ('why' in webhooks) return undo(webhooks);
    const { rows } = await sql<{ now: string }>`SELECT ${utcNow} AS now`.execute(tx);
    const nowMs = fromDatetime(rows[0]?.now ?? '');
    id = asGroupId(newId(nowMs));
    const { spec, by } = request;
    const isAll = request.webhookIds === 'all';
    await insertGroup(tx, id, { tenant, spec, isAll, webhooks: webhooks.length, by, nowMs });
    for (let from = 0; from < webhooks.length; from += AT_ONCE) {
      const group = bigint(id);
      const members = webhooks.slice(from, from + AT_ONCE).map(({ id: webhook, hash }) => ({
        group_id: group,
        webhook_id: bigint(webhook),
        key_hash: hash,
        state: 'pending' as const,
        job_id: null,
        refusal: null,
      }));
      await tx.insertInto('replay_group_members').values(members).execute();
    }
    const stored = await readGroup(tx, tenant, id);
    if (!stored) throw new Error(`group ${id} vanished in its own transaction`);
    return keep(stored);
  });
}

async function insertGroup(
  tx: Tx,
  id: GroupId,
  group: Pick<GroupSummary, 'tenant' | 'spec' | 'isAll' | 'webhooks' | 'by'> & { readonly nowMs: number },
): Promise<void> {
  await tx
    .insertInto('replay_groups')
    .values({
      id: bigint(id),
      tenant: group.tenant,
      spec: toJson(group.spec),
      all_webhooks: group.isAll ? 1 : 0,
      webhooks: group.webhooks,
      by_whom: group.by,
      work: 1,
      worker_until: null,
      held: 0,
      steering: null,
      steering_no: 0,
      steered_to: null,
      steered: 0,
      not_steered: 0,
      created_at: toDatetime(group.nowMs),
      updated_at: toDatetime(group.nowMs),
    })
    .execute();
}

interface Member {
  readonly id: WebhookId;
  readonly hash: number;
}

const memberOf = (row: Pick<WebhookRow, 'id' | 'record_key'>): Member => ({
  id: asWebhookId(row.id),
  hash: keyHash(keyText(row.record_key)),
});

async function webhooksOf(
  tx: Tx,
  tenant: TenantId,
  asked: GroupRequest['webhookIds'],
): Promise<readonly Member[] | GroupRequestRefusal> {
  const mine = tx
    .selectFrom('webhooks')
    .select(['id', 'record_key'])
    .where('tenant', '=', tenant)
    .where('deleted_at', 'is', null);
  if (asked === 'all') {
    const rows = await mine
      .orderBy('id')
      .limit(MAX_GROUP + 1)
      .execute();
    if (rows.length > MAX_GROUP) return { why: 'too_many_webhooks' };
    return rows.length === 0 ? { why: 'no_webhooks' } : rows.map(memberOf);
  }
  const known = new Map<string, Member>();
  for (let from = 0; from < asked.length; from += AT_ONCE) {
    const ids = asked.slice(from, from + AT_ONCE).map(bigint);
    for (const row of await mine.where('id', 'in', ids).execute()) known.set(row.id, memberOf(row));
  }
  const unknown = asked.filter((id) => !known.has(id));
  return unknown.length > 0 ? { why: 'unknown_webhooks', ids: unknown } : [...known.values()];
}
