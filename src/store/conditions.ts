// Conditions of a request for a replay: that the webhook is idle, that its quota allows one more. They are business
// state, so they are read under the webhook's lock in the transaction that makes the job: two instances that look
// at the same time cannot both find a place.
//
// The quota counts jobs by their ids, which are times of birth by the database's clock (domain/ids.ts): the index
// (webhook_id, state, id) has all that is needed, whatever state a job is in. It is forced: by the primary key the
// server would walk the jobs of all webhooks. Jobs that were pruned meanwhile do not count.

import { sql } from 'kysely';
import { birthOf, firstIdAt } from '../domain/ids.ts';
import type { WebhookId } from '../domain/ids.ts';
import { JOB_STATES } from '../domain/job.ts';
import type { OverQuota, RequestConditions, UnmetCondition } from '../domain/replay-store.ts';
import type { Admit } from './replays.ts';
import type { Tx } from './transaction.ts';
import { hasLiveJobs } from './webhooks.ts';

export function unmetOf({ onlyWhenIdle, quota }: RequestConditions): Admit<UnmetCondition> {
  return async (tx, { webhookId, nowMs }) => {
    if (onlyWhenIdle === true && (await hasLiveJobs(tx, webhookId))) return 'busy';
    return quota ? await overQuota(tx, webhookId, nowMs, quota) : null;
  };
}

async function overQuota(
  tx: Tx,
  webhookId: WebhookId,
  nowMs: number,
  { most, windowMs }: NonNullable<RequestConditions['quota']>,
): Promise<OverQuota | null> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM replay_jobs FORCE INDEX (replay_jobs_webhook)
    WHERE webhook_id = ${BigInt(webhookId)} AND state IN (${sql.join(JOB_STATES)})
      AND id >= ${BigInt(firstIdAt(nowMs - windowMs + 1))}
    ORDER BY id DESC LIMIT ${most}`.execute(tx);
  const oldest = rows[most - 1];
  if (!oldest) return null;
  return { refused: 'over_quota', retryAfterMs: Math.max(1, birthOf(oldest.id) + windowMs - nowMs) };
}
