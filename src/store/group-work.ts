// The work of a replay group: its jobs are made, and steered when that was asked for. Owned here: that each webhook
// gets at most one job and each job takes the steering that was asked last, whoever works, dies, or works beside.
//
//   request ──> group row (work = 1) and a member row per webhook: `pending`
//   work    ──> pending members -> webhooks' locks -> jobs and members `made` (or `refused`), CHUNK in a transaction
//           ──> steering: jobs by id, one transaction each, then the cursor `steered_to` moves over the batch
//   over    ──> work = 0, unless something was asked for meanwhile (steering_no)
//
// `worker_until` only saves double work; a worker that is late finds members made and cursors moved, and changes nothing.

import { sql } from 'kysely';
import type { GroupWork } from '../domain/group.ts';
import { asGroupId, asWebhookId } from '../domain/ids.ts';
import type { GroupId, JobId, WebhookId } from '../domain/ids.ts';
import type { JobState } from '../domain/job.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { makeJobs, steerJob } from './group-jobs.ts';
import { beginWork, WORKER_MS } from './groups.ts';
import type { Asked } from './groups.ts';
import { withRetries } from './retries.ts';
import type { ReplayGroupRow } from './schema.ts';
import { bigint, fromJson, utcNow, utcNowPlus } from './values.ts';

/** Jobs between two looks at the group: what is asked meanwhile waits so long. */
const BATCH = 40;
/** Under way at a time: a COMMIT waits for the disk, which others can share. */
const LANES = 4;
/** Jobs made in one transaction: few COMMITs, and no webhook's lock is held for long. */
const CHUNK = 10;
const TERMINAL: ReadonlySet<JobState> = new Set(statesTagged('terminal'));

/** How many partitions the log has; null while that is not known. */
export type Partitions = () => number | null;

export async function workOnAny(db: Database, ms: number, partitions: Partitions): Promise<GroupWork | null> {
  const { rows } = await withRetries(db.emit, () =>
    sql<{ id: string }>`
      SELECT id FROM replay_groups FORCE INDEX (replay_groups_work)
      WHERE work = 1 AND (worker_until IS NULL OR worker_until < UTC_TIMESTAMP(6))
      ORDER BY id LIMIT 1`.execute(db.sessions),
  );
  return rows[0] ? workOn(db, asGroupId(rows[0].id), ms, partitions) : null;
}

export async function workOn(
  db: Database,
  id: GroupId,
  ms: number,
  partitions: Partitions,
): Promise<GroupWork | null> {
  const untilMs = performance.now() + ms;
  if (!(await withRetries(db.emit, () => beginWork(db.sessions, id)))) return null;
  const made: { jobId: JobId; webhookId: WebhookId }[] = [];
  let [refused, steered] = [0, 0];
  let isLeft = true;
  // At least one batch, however busy the machine is.
  do {
    const group = await lookAt(db, id);
    if (!group) break;
    if (group.steered_to !== null) {
      steered += await steerSome(db, group);
      continue;
    }
    const pending = group.held === 1 ? [] : await pendingOf(db, id, partitions());
    isLeft = pending.length > 0 || !(await finish(db, group));
    await inLanes(chunksOf(pending), async (webhookIds) => {
      const some = await makeJobs(db, id, webhookIds);
      made.push(...some.made);
      refused += some.refused;
    });
  } while (isLeft && performance.now() < untilMs);
  await leave(db, id);
  return { groupId: id, made, refused, steered };
}

/** As it is now; and says that somebody is at it. */
function lookAt(db: Database, id: GroupId): Promise<ReplayGroupRow | null> {
  return withRetries(db.emit, async () => {
    await db.sessions
      .updateTable('replay_groups')
      .set({ worker_until: utcNowPlus(WORKER_MS) })
      .where('id', '=', bigint(id))
      .execute();
    const row = await db.sessions
      .selectFrom('replay_groups')
      .selectAll()
      .where('id', '=', bigint(id))
      .executeTakeFirst();
    return row ?? null;
  });
}

function leave(db: Database, id: GroupId): Promise<unknown> {
  return withRetries(db.emit, () =>
    db.sessions
      .updateTable('replay_groups')
      .set({ worker_until: null })
      .where('id', '=', bigint(id))
      .execute(),
  );
}

/** False when something was asked for meanwhile. */
function finish(db: Database, { id, steering_no: asked }: ReplayGroupRow): Promise<boolean> {
  return withRetries(db.emit, async () => {
    const { numUpdatedRows } = await db.sessions
      .updateTable('replay_groups')
      .set({ work: 0, worker_until: null })
      .where('id', '=', bigint(id))
      .where('steering_no', '=', asked)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  });
}

/** Partition by partition, so that claims, which take the oldest, find those that can share a scan beside each other. */
async function pendingOf(
  db: Database,
  id: GroupId,
  partitions: number | null,
): Promise<readonly WebhookId[]> {
  const { rows } = await withRetries(db.emit, () =>
    sql<{ webhook: string }>`
      SELECT webhook_id AS webhook FROM replay_group_members FORCE INDEX (replay_group_members_state)
      WHERE group_id = ${bigint(id)} AND state = 'pending'
      ORDER BY MOD(key_hash, ${partitions ?? 1}), webhook_id LIMIT ${BATCH}`.execute(db.sessions),
  );
  return rows.map(({ webhook }) => asWebhookId(webhook));
}

/** Tells how many jobs took it. */
async function steerSome(db: Database, group: ReplayGroupRow): Promise<number> {
  const { id, steering_no: no, steered_to: from } = group;
  const asked = fromJson<Asked>(group.steering);
  const { rows: jobs } = await withRetries(db.emit, () =>
    sql<{ id: string; state: JobState }>`
      SELECT id, state FROM replay_jobs FORCE INDEX (replay_jobs_group)
      WHERE group_id = ${id} AND id > ${bigint(from ?? '0')} ORDER BY id LIMIT ${BATCH}`.execute(db.sessions),
  );
  let steered = 0;
  await inLanes(jobs, async (job) => {
    // What has ended stays so: it is not worth a transaction.
    if (!TERMINAL.has(job.state) && (await steerJob(db, group, job.id, asked))) steered++;
  });
  const notSteered = jobs.length - steered;
  await withRetries(db.emit, () =>
    db.sessions
      .updateTable('replay_groups')
      .set((is) => ({
        steered_to: jobs.length === 0 ? null : bigint(jobs.at(-1)?.id ?? '0'),
        steered: is('steered', '+', steered),
        not_steered: is('not_steered', '+', notSteered),
        updated_at: utcNow,
      }))
      .where('id', '=', bigint(id))
      .where('steering_no', '=', no)
      .where('steered_to', '=', bigint(from ?? '0'))
      .execute(),
  );
  return steered;
}

const chunksOf = <Item>(items: readonly Item[]): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, n) => items.slice(n * CHUNK, (n + 1) * CHUNK));

async function inLanes<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(LANES, items.length) }, lane));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
