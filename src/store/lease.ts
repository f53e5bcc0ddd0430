// What an owner writes thousands of times without moving the job: heartbeats and cuts. Both are fenced by
// fence AND token AND a leased state in the WHERE itself; no row matched = the lease is another's, and nothing
// was written. (mysql2 counts matched rows, so writing the same values again counts as 1.)

import type { Kysely, UpdateQueryBuilder, UpdateResult } from 'kysely';
import type { CutWrite, HeartbeatDetail, LeaseKey } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import { writeCutRows } from './cut-rows.ts';
import type { Database } from './database.ts';
import type { Tables } from './schema.ts';
import { withRetries } from './retries.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import { bigint, clip, toJson, utcNow, utcNowPlus } from './values.ts';

/** Free texts of a heartbeat are cut, so that it stays below 1 KB. */
const TEXT_LENGTH = 200;

type JobUpdate = UpdateQueryBuilder<Tables, 'replay_jobs', 'replay_jobs', UpdateResult>;

const LEASED = statesTagged('leased');

function fenced(update: JobUpdate, lease: LeaseKey): JobUpdate {
  return update
    .where('id', '=', bigint(lease.jobId))
    .where('fence', '=', lease.fence)
    .where('lease_token', '=', lease.token)
    .where('state', 'in', LEASED);
}

/** One autocommit statement: it cannot keep a lock. Again after a lost answer only extends the lease. */
export function beat(
  db: Database,
  lease: LeaseKey,
  leaseMs: number,
  progress: number,
  detail: HeartbeatDetail,
): Promise<'held' | 'lost'> {
  const heartbeat = heartbeatOf(detail);
  return withRetries(db.emit, async () => {
    const update = db.sessions.updateTable('replay_jobs').set({
      lease_until: utcNowPlus(leaseMs),
      heartbeat_at: utcNow,
      heartbeat,
      progress: String(progress),
    });
    const { numUpdatedRows } = await fenced(update, lease).executeTakeFirst();
    return numUpdatedRows === 1n ? 'held' : 'lost';
  });
}

function heartbeatOf(detail: HeartbeatDetail): string {
  return toJson({
    ...detail,
    waiting: detail.waiting === null ? null : clip(detail.waiting, TEXT_LENGTH),
    lastRefusal: detail.lastRefusal === null ? null : clip(detail.lastRefusal, TEXT_LENGTH),
  });
}

/** The fenced update first: its row lock keeps the lease ours until the other rows are in. */
export function writeCut(db: Database, lease: LeaseKey, write: CutWrite): Promise<'saved' | 'fenced'> {
  return inTransaction<'saved' | 'fenced'>(db, async (tx) => {
    if (!(await updateCut(tx, lease, write))) return undo('fenced');
    await writeCutRows(tx, lease.jobId, write);
    return keep('saved');
  });
}

async function updateCut(tx: Kysely<Tables>, lease: LeaseKey, write: CutWrite): Promise<boolean> {
  const update = tx.updateTable('replay_jobs').set({
    cut: toJson(write.cut),
    counts: toJson(write.counts),
    progress: String(write.progress),
    ...(write.detail && { heartbeat: heartbeatOf(write.detail) }),
  });
  const { numUpdatedRows } = await fenced(update, lease).executeTakeFirst();
  return numUpdatedRows === 1n;
}
