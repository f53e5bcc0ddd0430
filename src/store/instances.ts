// The running processes, as they tell of themselves. Nothing is decided by these rows: leases are on the jobs.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { InstanceId } from '../domain/ids.ts';
import type { InstanceDetail } from '../domain/store.ts';
import type { Tables } from './schema.ts';
import { clip, toJson, utcNow } from './values.ts';

const VERSION_LENGTH = 64;

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

export async function removeInstance(db: Kysely<Tables>, id: InstanceId): Promise<void> {
  await db.deleteFrom('instances').where('id', '=', id).execute();
}
