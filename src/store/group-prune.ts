// Pruning of replay groups: a group's row goes when it is as old as its jobs may become, and they are gone. One that
// has work left, or waits paused with webhooks that got no job yet, stays.

import { sql } from 'kysely';
import type { Database } from './database.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, utcNowPlus } from './values.ts';

const MEMBERS_PER_DELETE = 5_000;
/** Groups per transaction: with the most webhooks each. */
const AT_ONCE = 2;

/** Tells how many are gone. */
export async function pruneGroups(db: Database, retentionMs: number): Promise<number> {
  for (let groups = 0; ;) {
    const gone = await pruneSomeGroups(db, retentionMs);
    groups += gone;
    if (gone === 0) return groups;
  }
}

function pruneSomeGroups(db: Database, retentionMs: number): Promise<number> {
  return inTransaction<number>(db, async (tx) => {
    const old = await lockFree(tx, await findOld(tx, retentionMs));
    for (const id of old) {
      await removeMembers(tx, id);
      await tx.deleteFrom('replay_groups').where('id', '=', bigint(id)).execute();
    }
    return old.length === 0 ? undo(0) : keep(old.length);
  });
}

/** Without any lock. A job's group is text: compared as such, so that its index is used. */
async function findOld(tx: Tx, retentionMs: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT g.id FROM replay_groups g FORCE INDEX (replay_groups_work)
    WHERE g.work = 0 AND g.updated_at < ${utcNowPlus(-retentionMs)}
      AND NOT EXISTS (SELECT 1 FROM replay_group_members m WHERE m.group_id = g.id AND m.state = 'pending')
      AND NOT EXISTS (SELECT 1 FROM replay_jobs j FORCE INDEX (replay_jobs_group)
        WHERE j.group_id = CAST(g.id AS CHAR CHARACTER SET ascii) COLLATE ascii_bin)
    ORDER BY g.id LIMIT ${AT_ONCE}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Nobody makes or steers jobs of these meanwhile; asked again under the lock. */
async function lockFree(tx: Tx, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM replay_groups FORCE INDEX (PRIMARY)
    WHERE id IN (${sql.join(ids.map(bigint))}) AND work = 0 FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows.map(({ id }) => id);
}

async function removeMembers(tx: Tx, id: string): Promise<void> {
  for (;;) {
    const { numAffectedRows } = await sql`
      DELETE FROM replay_group_members WHERE group_id = ${bigint(id)} LIMIT ${MEMBERS_PER_DELETE}`.execute(
      tx,
    );
    if (Number(numAffectedRows ?? 0n) < MEMBERS_PER_DELETE) return;
  }
}
