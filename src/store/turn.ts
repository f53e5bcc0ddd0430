// The turn: which one of a webhook's jobs may run.
//
// Several jobs of one webhook may wait, one runs. A claim that looked for "OPEN and no other job of its webhook
// is leased" would have to walk past every waiting job of a busy webhook: 10,000 rows for nothing, at each poll
// of each instance. So the question is answered when it changes, not when it is asked: at most one live job per
// webhook has its `turn`, only an OPEN job with the turn is claimable, and the claim reads one index entry.
//
//                 insert: free? -> turn         claim, reclaim, release: the turn stays
//   webhook  ──>  [job 1: turn] [job 2] [job 3]
//                  └ ends or pauses: hands the turn to the lowest OPEN id, in the same transaction
//                  └ resumed from PAUSED: takes the turn if nobody has it, else waits in line by its id
//
// A turn must never be lost (jobs would wait for ever) nor doubled (two would run):
//   - Who asks whether the turn is free, gives it away or takes it, holds the webhook's row lock meanwhile, up
//     to COMMIT. So an insert cannot see the turn taken by a job that is just giving it to nobody.
//   - Order of locks: own job row -> webhook row -> the successor's job row. It has no cycle: the successor
//     is OPEN without the turn, and whoever holds such a row's lock wants no webhook lock (only a job that has
//     the turn, or comes from PAUSED, does; and the latter enters the index of OPEN jobs after it has the
//     webhook's lock). An insert locks the webhook first and no job.
//   - UNIQUE (active_webhook), generated as IF(turn, webhook_id, NULL), is the second arbiter: a doubled turn
//     fails with errno 1062 instead of running. A CHECK refuses a leased job without the turn.
// Turn, lease and heartbeat columns are coordination, not part of the fold: no history tells them.

import { sql } from 'kysely';
import type { JobState } from '../domain/job.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Tx } from './transaction.ts';
import { bigint, utcNow } from './values.ts';

const CLAIMABLE = statesTagged('claimable');
/** States in which a job may have the turn. */
const IN_TURN: ReadonlySet<JobState> = new Set([...CLAIMABLE, ...statesTagged('leased')]);

export const mayHaveTurn = (state: JobState): boolean => IN_TURN.has(state);

/** Locks the webhook's row until COMMIT; tells the database's clock, and null for a row that is not there. */
export async function lockWebhook(tx: Tx, webhookId: string) {
  const row = await tx
    .selectFrom('webhooks')
    .selectAll()
    .select(utcNow.as('now'))
    .where('id', '=', bigint(webhookId))
    .forUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** Only under the webhook's lock. READ COMMITTED: the answer is of now, not of the transaction's start. */
export async function isTurnFree(tx: Tx, webhookId: string): Promise<boolean> {
  const holder = await tx
    .selectFrom('replay_jobs')
    .select('id')
    .where('active_webhook', '=', bigint(webhookId))
    .executeTakeFirst();
  return holder === undefined;
}

/** Only under the webhook's lock, after the former holder's row gave it up. */
export async function handOn(tx: Tx, webhookId: string): Promise<void> {
  const next = await nextInLine(tx, webhookId);
  if (next !== null) await giveTurn(tx, next);
}

/** The index is forced: by the primary key the server would walk all ended jobs to find the first OPEN one. */
async function nextInLine(tx: Tx, webhookId: string): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM replay_jobs FORCE INDEX (replay_jobs_webhook)
    WHERE webhook_id = ${BigInt(webhookId)} AND state IN (${sql.join(CLAIMABLE)})
    ORDER BY id LIMIT 1 FOR UPDATE`.execute(tx);
  return rows[0]?.id ?? null;
}

async function giveTurn(tx: Tx, jobId: string): Promise<void> {
  await tx.updateTable('replay_jobs').set({ turn: 1 }).where('id', '=', bigint(jobId)).execute();
}
