// What streams of replays need to know, for all watched jobs of an instance at once: a cheap look at what could have
// changed, the rows of those that did, and the facts behind given seqs. By primary keys alone.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { asJobId, asTenantId } from '../domain/ids.ts';
import type { JobId } from '../domain/ids.ts';
import type { JobLook, Transition } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { transitionOf } from './history.ts';
import { viewOf } from './job-row.ts';
import type { JobTransitionRow, Tables } from './schema.ts';
import { bigint } from './values.ts';

export async function lookAt(db: Kysely<Tables>, ids: readonly JobId[]): Promise<readonly JobLook[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('replay_jobs')
    .select(['id', 'tenant', 'state', 'version', 'progress', 'heartbeat_at'])
    .where('id', 'in', ids.map(bigint))
    .execute();
  return rows.map(({ id, tenant, state, version, progress, heartbeat_at }) => ({
    id: asJobId(id),
    tenant: asTenantId(tenant),
    state,
    version,
    revision: `${version}/${progress}/${heartbeat_at ?? ''}`,
  }));
}

/** Without their gaps. */
export async function readJobs(db: Kysely<Tables>, ids: readonly JobId[]): Promise<readonly JobView[]> {
  if (ids.length === 0) return [];
  const rows = await db.selectFrom('replay_jobs').selectAll().where('id', 'in', ids.map(bigint)).execute();
  return rows.map((row) => viewOf(row, []));
}

/** Per job at most `limit` facts with seq > `after`, in order. */
export async function readTransitionsOf(
  db: Kysely<Tables>,
  wanted: readonly { readonly id: JobId; readonly after: number }[],
  limit: number,
): Promise<ReadonlyMap<JobId, readonly Transition[]>> {
  if (wanted.length === 0) return new Map();
  const parts = wanted.map(
    ({ id, after }) => sql`(SELECT * FROM job_transitions WHERE job_id = ${bigint(id)} AND seq > ${after}
      ORDER BY seq LIMIT ${limit})`,
  );
  const { rows } = await sql<JobTransitionRow>`${sql.join(parts, sql` UNION ALL `)}`.execute(db);
  const byJob = Map.groupBy(rows, (row) => asJobId(row.job_id));
  return new Map(
    [...byJob].map(([id, facts]) => [id, facts.toSorted((a, b) => a.seq - b.seq).map(transitionOf)]),
  );
}
