// Replay groups as they are listed and steered (domain/group.ts); group-request.ts stores a new one, group-work.ts makes and steers their jobs,
// group-view.ts sums them up.
//
// Order of locks: group row -> job row -> webhook row -> member row; nobody wants a group's row who has another one.
// Who makes or steers a job holds the group's row shared; who asks for another steering takes it alone. So from then on
// no job is made or steered as it was asked before.

import type { Kysely } from 'kysely';
import type { GroupRequest, GroupSteering, GroupSummary } from '../domain/group.ts';
import type { GroupVerb, Who } from '../domain/group.ts';
import { asGroupId, asTenantId } from '../domain/ids.ts';
import type { GroupId, TenantId } from '../domain/ids.ts';
import type { Page, PageRequest } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { readGaps } from './cut-rows.ts';
import type { Database } from './database.ts';
import { viewOf } from './job-row.ts';
import type { ReplayGroupRow, Tables } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, cursorOf, fromDatetime, fromJson, fromJsonOrNull, toDatetime, toJson } from './values.ts';
import { utcNow, utcNowPlus } from './values.ts';

/** Whoever asked works at it first, for so long; then anybody may. */
export const WORKER_MS = 10_000;

/** Under the group's lock: a job that is made or steered now is made or steered before. */
export function steerGroup(
  db: Database,
  tenant: TenantId,
  id: GroupId,
  verb: GroupVerb,
  { by, why }: Who,
): Promise<'recorded' | 'unknown_group'> {
  return inTransaction<'recorded' | 'unknown_group'>(db, async (tx) => {
    const row = await tx
      .selectFrom('replay_groups')
      .select(['tenant', 'held', utcNow.as('now')])
      .where('id', '=', bigint(id))
      .forUpdate()
      .executeTakeFirst();
    if (row?.tenant !== tenant) return undo('unknown_group');
    const nowMs = fromDatetime(row.now);
    await tx
      .updateTable('replay_groups')
      .set((is) => ({
        steering: toJson({ verb, by, why, atMs: nowMs } satisfies Asked),
        steering_no: is('steering_no', '+', 1),
        steered_to: bigint('0'),
        steered: 0,
        not_steered: 0,
        work: 1,
        held: verb === 'cancel' ? row.held : verb === 'pause' ? 1 : 0,
        updated_at: toDatetime(nowMs),
      }))
      .where('id', '=', bigint(id))
      .execute();
    if (verb === 'cancel') await refuseAllPending(tx, id);
    return keep('recorded');
  });
}

async function refuseAllPending(tx: Tx, id: GroupId): Promise<void> {
  await tx
    .updateTable('replay_group_members')
    .set({ state: 'refused', refusal: 'group_cancelled' })
    .where('group_id', '=', bigint(id))
    .where('state', '=', 'pending')
    .execute();
}

/** As it is stored. */
export type Asked = Pick<GroupSteering, 'verb' | 'by' | 'why' | 'atMs'>;

export async function selectGroup(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: string,
): Promise<ReplayGroupRow | null> {
  const row = await db
    .selectFrom('replay_groups')
    .selectAll()
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  return row ?? null;
}

export function summaryOf(row: ReplayGroupRow): GroupSummary {
  const asked = fromJsonOrNull<Asked>(row.steering);
  const steering = asked && {
    ...asked,
    steered: row.steered,
    notSteered: row.not_steered,
    isDone: row.steered_to === null,
  };
  return {
    id: asGroupId(row.id),
    tenant: asTenantId(row.tenant),
    spec: fromJson<GroupRequest['spec']>(row.spec),
    isAll: row.all_webhooks === 1,
    webhooks: row.webhooks,
    by: row.by_whom,
    steering,
    createdAtMs: fromDatetime(row.created_at),
  };
}

/** Newest first. */
export async function readGroups(
  db: Kysely<Tables>,
  tenant: TenantId,
  { limit, cursor }: PageRequest,
): Promise<Page<GroupSummary>> {
  let query = db.selectFrom('replay_groups').selectAll().where('tenant', '=', tenant);
  if (cursor !== null) query = query.where('id', '<', bigint(cursorOf(cursor)));
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(summaryOf);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** Newest first. */
export async function readReplaysOf(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: GroupId,
  { limit, cursor }: PageRequest,
): Promise<Page<JobView> | null> {
  if (!(await selectGroup(db, tenant, id))) return null;
  let query = db
    .selectFrom('replay_jobs')
    .selectAll()
    .where('group_id', '=', id)
    .where('tenant', '=', tenant);
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

/** Keeps others from the same work for a while; false when another is at it, or there is none. */
export async function beginWork(db: Kysely<Tables>, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('replay_groups')
    .set({ worker_until: utcNowPlus(WORKER_MS) })
    .where('id', '=', bigint(id))
    .where('work', '=', 1)
    .where((is) => is.or([is('worker_until', 'is', null), is('worker_until', '<', utcNow)]))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}
