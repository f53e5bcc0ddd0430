// Plans as rows: kept for their time, run once. Whoever runs one holds its webhook's lock and then the plan's row, in
// the transaction that makes the job: of many who ask at once one gets the job, the others its id.
// What has expired is absent at once, whether it was pruned or not.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { asJobId, asPlanId, asTenantId, newId } from '../domain/ids.ts';
import type { JobId, PlanId, TenantId, WebhookId } from '../domain/ids.ts';
import type { JobSpec, PlannedPins } from '../domain/job.ts';
import type { PlanDraft, PlanRefusal, PlanSpec, PlanView, ReplaysBeside } from '../domain/plan.ts';
import type { JobView } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { isDuplicateKey } from './failures.ts';
import { readClock } from './look.ts';
import { insertReplay } from './replays.ts';
import type { NewReplay } from './replays.ts';
import { withRetries } from './retries.ts';
import type { PlanRow, Tables } from './schema.ts';
import type { Tx } from './transaction.ts';
import { bigint, fromDatetime, fromJson, toDatetime, toJson, utcNow } from './values.ts';
import { selectWebhook } from './webhook-reads.ts';

const FRESH_IDS = 3;
/** Of each kind that a plan mentions. */
const BESIDE = 5;
/** Completed replays that are looked through for an overlap, the newest. */
const LOOKED_THROUGH = 200;
const PRUNED_AT_ONCE = 1_000;

/** Not under the webhook's lock: a plan of a webhook that is just being deleted can only be refused later. */
export async function insertPlan(
  db: Database,
  tenant: TenantId,
  draft: PlanDraft,
  ttlMs: number,
): Promise<PlanView | 'no_webhook'> {
  const { sessions, emit } = db;
  const webhook = await withRetries(emit, () => selectWebhook(sessions, tenant, draft.webhookId));
  if (!webhook) return 'no_webhook';
  for (let tries = 1; ; tries++) {
    const nowMs = await withRetries(emit, () => readClock(sessions));
    const row = rowOf(newId(nowMs), tenant, draft, nowMs, ttlMs);
    try {
      await withRetries(emit, () =>
        sessions
          .insertInto('replay_plans')
          .values({ ...row, id: bigint(row.id), webhook_id: bigint(row.webhook_id) })
          .execute(),
      );
      return viewOf(row);
    } catch (error) {
      // Also an insert whose answer was lost and that was tried again: then the first row expires unseen.
      if (!isDuplicateKey(error) || tries === FRESH_IDS) throw error;
    }
  }
}

function rowOf(
  id: string,
  tenant: TenantId,
  draft: PlanDraft,
  nowMs: number,
  ttlMs: number,
): PlanRow & { body: string } {
  return {
    id,
    tenant,
    webhook_id: draft.webhookId,
    body: toJson(draft),
    created_at: toDatetime(nowMs),
    expires_at: toDatetime(nowMs + ttlMs),
    job_id: null,
  };
}

export async function readPlan(db: Kysely<Tables>, tenant: TenantId, id: PlanId): Promise<PlanView | null> {
  const row = await db
    .selectFrom('replay_plans')
    .selectAll()
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .where('expires_at', '>', utcNow)
    .executeTakeFirst();
  return row ? viewOf(row) : null;
}

export interface PlanRun extends NewReplay {
  readonly asked: PlanSpec & { readonly plan: PlannedPins };
}

export function runPlan(db: Database, run: PlanRun): Promise<JobView | 'no_webhook' | PlanRefusal> {
  const { tenant, webhookId, asked } = run;
  return insertReplay<PlanRefusal>(db, run, (tx, { id }) =>
    takePlan(tx, tenant, webhookId, asked.plan.planId, id),
  );
}

/** null = it is this job's. */
async function takePlan(
  tx: Tx,
  tenant: TenantId,
  webhookId: WebhookId,
  id: PlanId,
  jobId: JobId,
): Promise<PlanRefusal | null> {
  const plan = await tx
    .selectFrom('replay_plans')
    .select(['tenant', 'webhook_id', 'expires_at', 'job_id', utcNow.as('now')])
    .where('id', '=', bigint(id))
    .forUpdate()
    .executeTakeFirst();
  if (plan?.tenant !== tenant || plan.webhook_id !== webhookId) return 'no_plan';
  if (fromDatetime(plan.expires_at) <= fromDatetime(plan.now)) return 'no_plan';
  if (plan.job_id !== null) return { usedBy: asJobId(plan.job_id) };
  await tx
    .updateTable('replay_plans')
    .set({ job_id: bigint(jobId) })
    .where('id', '=', bigint(id))
    .execute();
  return null;
}

/** Completed ones among the newest only: a warning may miss an old one, a plan must not read thousands of rows. */
export async function readReplaysBeside(
  db: Kysely<Tables>,
  tenant: TenantId,
  webhookId: WebhookId,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<ReplaysBeside> {
  const live = await ofWebhook(db, tenant, webhookId, statesTagged('live'), BESIDE);
  const completed = await ofWebhook(db, tenant, webhookId, ['COMPLETED'], LOOKED_THROUGH);
  const overlapping = completed.filter(({ spec: text }) => {
    const spec = fromJson<JobSpec>(text);
    return spec.kind !== 'dead_letters' && spec.fromMs < toMs && fromMs < spec.toMs;
  });
  const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => asJobId(id));
  return { live: idsOf(live), completed: idsOf(overlapping.slice(0, BESIDE)) };
}

function ofWebhook(
  db: Kysely<Tables>,
  tenant: TenantId,
  webhookId: WebhookId,
  states: ReturnType<typeof statesTagged>,
  limit: number,
) {
  return db
    .selectFrom('replay_jobs')
    .select(['id', 'spec'])
    .where('webhook_id', '=', bigint(webhookId))
    .where('tenant', '=', tenant)
    .where('state', 'in', states)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** In pieces, each by whole keys; what another one has locked is waited for: its run is over in a moment. */
export async function prunePlans(db: Database): Promise<void> {
  for (;;) {
    const gone = await withRetries(db.emit, async () => {
      const old = await db.sessions
        .selectFrom('replay_plans')
        .select('id')
        .where('expires_at', '<', utcNow)
        .limit(PRUNED_AT_ONCE)
        .execute();
      if (old.length === 0) return 0;
      const ids = sql.join(old.map(({ id }) => bigint(id)));
      await sql`DELETE FROM replay_plans WHERE id IN (${ids})`.execute(db.sessions);
      return old.length;
    });
    if (gone < PRUNED_AT_ONCE) return;
  }
}

function viewOf(row: PlanRow): PlanView {
  return {
    ...fromJson<PlanDraft>(row.body),
    id: asPlanId(row.id),
    tenant: asTenantId(row.tenant),
    createdAtMs: fromDatetime(row.created_at),
    expiresAtMs: fromDatetime(row.expires_at),
    jobId: row.job_id === null ? null : asJobId(row.job_id),
  };
}
