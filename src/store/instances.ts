// The running processes, as they tell of themselves. Nothing is decided by these rows: leases are on the jobs.
// A process that was killed cannot remove its row, so the living remove those that are long silent.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { InstanceId } from '../domain/ids.ts';
import type { InstanceDetail } from '../domain/store.ts';
import type { Tables } from './schema.ts';
import { clip, toJson, utcNow } from './values.ts';

const VERSION_LENGTH = 64;
/** Far above any heartbeat interval; one that was only asleep registers anew. */
const FORGET_AFTER = sql`INTERVAL 1 HOUR`;

export async function upsertInstance(
  db: Kysely<Tables>,
  id: InstanceId,
  detail: InstanceDetail,
): Promise<void> {
  await db
    .insertInto('instances')
    .values({
      id,
      version: clip(detail.version, VERSION_LENGTH),
      detail: toJson(detail),
      started_at: utcNow,
      heartbeat_at: utcNow,
    })
    .onDuplicateKeyUpdate({
      version: sql`VALUES(version)`,
      detail: sql`VALUES(detail)`,
      heartbeat_at: sql`VALUES(heartbeat_at)`,
    })
    .execute();
}

/** The table has a row for each process: a walk over it costs less than an index would. */
export async function forgetSilentInstances(db: Kysely<Tables>): Promise<void> {
  await db
    .deleteFrom('instances')
    .where('heartbeat_at', '<', sql<string>`DATE_SUB(UTC_TIMESTAMP(6), ${FORGET_AFTER})`)
    .execute();
}

export async function removeInstance(db: Kysely<Tables>, id: InstanceId): Promise<void> {
  await db.deleteFrom('instances').where('id', '=', id).execute();
}
