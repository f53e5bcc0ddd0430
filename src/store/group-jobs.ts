// Jobs of a replay group: made, some in one transaction, or steered, one in each. It holds the group's row shared, so that
// nothing else is asked of the group meanwhile (groups.ts has the order of locks).

import { sql } from 'kysely';
import { formatOf } from '../domain/fact.ts';
import { STEERING_OF } from '../domain/group.ts';
import type { GroupRefusal, GroupRequest } from '../domain/group.ts';
import { asGroupId, asJobId, asTenantId, newId } from '../domain/ids.ts';
import type { GroupId, JobId, TenantId, WebhookId } from '../domain/ids.ts';
import { NO_COUNTS } from '../domain/job.ts';
import type { JobSpec } from '../domain/job.ts';
import { commitFact } from './commit.ts';
import type { Database } from './database.ts';
import { isDuplicateKey } from './failures.ts';
import type { Asked } from './groups.ts';
import { profileOf } from './proofs.ts';
import { bearJob } from './replays.ts';
import type { ReplayGroupRow, WebhookRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { lockWebhook } from './turn.ts';
import { bigint, fromDatetime, fromJson } from './values.ts';
import { keyText } from './webhook-reads.ts';

const FRESH_IDS = 3;

/**
 * Why a webhook gets no job; null = it gets one. The one place for it. One that has not proven itself gets a job, which
 * is paused with that reason and can be resumed.
 */
export function refusalOf(webhook: WebhookRow | null, tenant: TenantId): GroupRefusal | null {
  return webhook?.tenant !== tenant || webhook.deleted_at !== null ? 'webhook_deleted' : null;
}

/** Shared, until COMMIT: nothing else is asked of the group meanwhile. */
async function holdGroup(tx: Tx, id: string): Promise<ReplayGroupRow | null> {
  const { rows } = await sql<ReplayGroupRow>`
    SELECT * FROM replay_groups WHERE id = ${bigint(id)} LOCK IN SHARE MODE`.execute(tx);
  return rows[0] ?? null;
}

export interface Made {
  readonly made: readonly { readonly jobId: JobId; readonly webhookId: WebhookId }[];
  readonly refused: number;
}

/**
 * Jobs of these webhooks, in one transaction; without those that were made before, or must not be made now. The locks
 * are taken in the order of the webhooks' ids, so that two who make jobs of the same ones cannot wait for each other.
 */
export async function makeJobs(
  db: Database,
  groupId: GroupId,
  webhookIds: readonly WebhookId[],
): Promise<Made> {
  const inOrder = webhookIds.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  for (let tries = 1; ; tries++) {
    try {
      return await tryToMake(db, groupId, inOrder);
    } catch (error) {
      if (!isDuplicateKey(error) || tries === FRESH_IDS) throw error;
    }
  }
}

function tryToMake(db: Database, groupId: GroupId, webhookIds: readonly WebhookId[]): Promise<Made> {
  return inTransaction<Made>(db, async (tx) => {
    const group = await holdGroup(tx, groupId);
    if (!group || group.held === 1) return undo({ made: [], refused: 0 });
    const made: { jobId: JobId; webhookId: WebhookId }[] = [];
    let refused = 0;
    for (const webhookId of webhookIds) {
      const one = await makeJob(tx, group, webhookId);
      if (one === 'refused') refused++;
      else if (one !== null) made.push({ jobId: one, webhookId });
    }
    return keep({ made, refused });
  });
}

async function makeJob(
  tx: Tx,
  group: ReplayGroupRow,
  webhookId: WebhookId,
): Promise<JobId | 'refused' | null> {
  const groupId = asGroupId(group.id);
  const webhook = await lockWebhook(tx, webhookId);
  // Also after a doubted COMMIT: what was made is not pending.
  if (!(await lockPending(tx, groupId, webhookId))) return null;
  const tenant = asTenantId(group.tenant);
  const refusal = refusalOf(webhook, tenant);
  if (refusal !== null || !webhook) {
    await setMember(tx, groupId, webhookId, { state: 'refused', refusal: refusal ?? 'webhook_deleted' });
    return 'refused';
  }
  const nowMs = fromDatetime(webhook.now);
  const id = newId(nowMs);
  const asked = fromJson<GroupRequest['spec']>(group.spec);
  const spec: JobSpec = { ...asked, groupId, webhookId, key: keyText(webhook.record_key) };
  const fact = { type: 'REQUESTED', spec, by: group.by_whom } as const;
  const settled = { cut: null, counts: NO_COUNTS };
  const format = formatOf(spec, { profile: profileOf(webhook) });
  await bearJob(tx, { id, tenant, fact, nowMs, settled, format });
  await setMember(tx, groupId, webhookId, { state: 'made', job_id: bigint(id) });
  return asJobId(id);
}

async function lockPending(tx: Tx, groupId: GroupId, webhookId: WebhookId): Promise<boolean> {
  const member = await tx
    .selectFrom('replay_group_members')
    .select('state')
    .where('group_id', '=', bigint(groupId))
    .where('webhook_id', '=', bigint(webhookId))
    .forUpdate()
    .executeTakeFirst();
  return member?.state === 'pending';
}

async function setMember(
  tx: Tx,
  groupId: GroupId,
  webhookId: WebhookId,
  change: { state: 'refused'; refusal: GroupRefusal } | { state: 'made'; job_id: ReturnType<typeof bigint> },
): Promise<void> {
  await tx
    .updateTable('replay_group_members')
    .set(change)
    .where('group_id', '=', bigint(groupId))
    .where('webhook_id', '=', bigint(webhookId))
    .execute();
}

/** Only while nothing else was asked: a late worker must not pause what was resumed since. */
export async function steerJob(
  db: Database,
  group: ReplayGroupRow,
  jobId: string,
  { verb, by, why }: Asked,
): Promise<boolean> {
  const { ok } = await commitFact(db, {
    jobId,
    tenant: group.tenant,
    proposal: { type: STEERING_OF[verb], by, why },
    isStillWanted: async (tx) => (await holdGroup(tx, group.id))?.steering_no === group.steering_no,
  });
  return ok;
}
