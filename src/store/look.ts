// Single cheap reads that instances repeat: the look at their own jobs, and the database's clock.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { asJobId } from '../domain/ids.ts';
import type { InstanceId } from '../domain/ids.ts';
import type { Wanted } from '../domain/job.ts';
import type { LeasedLook } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Tables } from './schema.ts';
import { fromDatetime } from './values.ts';

/** All jobs that the instance leases, in one query by the index on owner (NULL unless leased). */
export async function lookAtLeased(db: Kysely<Tables>, instance: InstanceId): Promise<readonly LeasedLook[]> {
  const rows = await db
    .selectFrom('replay_jobs as j')
    .innerJoin('webhooks as w', 'w.id', 'j.webhook_id')
    .select(['j.id', 'j.version', 'j.state', 'j.fence', 'j.wanted', 'w.version as webhook_version'])
    .where('j.owner', '=', instance)
    .where('j.state', 'in', statesTagged('leased'))
    .execute();
  return rows.map((row) => ({
    jobId: asJobId(row.id),
    version: row.version,
    state: row.state,
    fence: row.fence,
    wanted: row.wanted as Wanted | null,
    webhookVersion: row.webhook_version,
  }));
}

export async function readClock(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ now: string }>`SELECT UTC_TIMESTAMP(6) AS now`.execute(db);
  const row = rows[0];
  if (!row) throw new Error('the database did not tell its time');
  return fromDatetime(row.now);
}
