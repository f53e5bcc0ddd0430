// The list of replays, newest first, by state, webhook and time of request. Owned here: that each filter is answered
// by an index in the order of the ids, a page at a time, whatever else is in the table.
//
//   states   one limited look per state, (tenant, state, id) or (webhook_id, state, id); then the newest of all
//   webhook  (webhook_id, id); whose it is, is asked first: somebody else's jobs are not even walked past
//   times    an id begins with the ms at which its job was requested (domain/ids), so a time is a bound of ids

import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { firstIdAt } from '../domain/ids.ts';
import type { TenantId, WebhookId } from '../domain/ids.ts';
import type { JobState } from '../domain/job.ts';
import type { Page, PageRequest, ReplayFilter } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { readGaps } from './cut-rows.ts';
import { viewOf } from './job-row.ts';
import type { ReplayJobRow, Tables } from './schema.ts';
import { bigint, cursorOf } from './values.ts';

const EVERYTHING: ReplayFilter = { states: [], webhookId: null, createdFromMs: null, createdToMs: null };

export async function readReplays(
  db: Kysely<Tables>,
  tenant: TenantId,
  page: PageRequest,
  filter = EVERYTHING,
): Promise<Page<JobView>> {
  const { limit } = page;
  if (filter.webhookId !== null && !(await isOwn(db, tenant, filter.webhookId))) {
    return { items: [], nextCursor: null };
  }
  const { rows } = await pageQuery(tenant, page, filter).execute(db);
  const shown = rows.slice(0, limit);
  const gaps = await readGaps(
    db,
    shown.map((row) => row.id),
  );
  const items = shown.map((row) => viewOf(row, gaps(row.id)));
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** One more than the page: whether there is a next one. */
function pageQuery(
  tenant: TenantId,
  { limit, cursor }: PageRequest,
  filter: ReplayFilter,
): RawBuilder<ReplayJobRow> {
  const states = filter.states.length === 0 ? [null] : [...new Set(filter.states)];
  const parts = states.map((state) => partOf(tenant, filter, state, cursor, limit + 1));
  return sql<ReplayJobRow>`
    SELECT j.* FROM (${sql.join(parts, sql` UNION ALL `)}) found STRAIGHT_JOIN replay_jobs j ON j.id = found.id
    ORDER BY j.id DESC LIMIT ${limit + 1}`;
}

function partOf(
  tenant: TenantId,
  { webhookId, createdFromMs, createdToMs }: ReplayFilter,
  state: JobState | null,
  cursor: string | null,
  most: number,
): RawBuilder<unknown> {
  const [indexed, index] =
    webhookId === null
      ? ([sql`tenant = ${tenant}`, state === null ? 'replay_jobs_tenant' : 'replay_jobs_state'] as const)
      : ([
          sql`webhook_id = ${bigint(webhookId)}`,
          state === null ? 'replay_jobs_of_webhook' : 'replay_jobs_webhook',
        ] as const);
  const bounds = [
    indexed,
    ...(state === null ? [] : [sql`state = ${state}`]),
    ...(cursor === null ? [] : [sql`id < ${bigint(cursorOf(cursor))}`]),
    ...(createdFromMs === null ? [] : [sql`id >= ${bigint(firstIdAt(createdFromMs))}`]),
    ...(createdToMs === null ? [] : [sql`id < ${bigint(firstIdAt(createdToMs))}`]),
  ];
  return sql`(SELECT id FROM replay_jobs FORCE INDEX (${sql.raw(index)})
    WHERE ${sql.join(bounds, sql` AND `)} ORDER BY id DESC LIMIT ${most})`;
}

/** Also one that was deleted: its replays are still there to look at. */
async function isOwn(db: Kysely<Tables>, tenant: TenantId, id: WebhookId): Promise<boolean> {
  const row = await db
    .selectFrom('webhooks')
    .select('id')
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  return row !== undefined;
}
