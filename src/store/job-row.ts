// The job row <-> the machine's words. Owned here: which column holds which part of a job. The row is a
// projection of the facts: `columnsOf` is the only writer of folded columns, `decidedOf` and `viewOf` read them.
// Invariant, tested after each commit: decidedOf(row) equals fold(facts), but for a newer cut and counts.

import type { Cut } from '../domain/cut.ts';
import type { FactType } from '../domain/fact.ts';
import { asInstanceId, asJobId, asTenantId } from '../domain/ids.ts';
import type {
  Counts,
  FailReason,
  Gap,
  JobSpec,
  Limits,
  Outcome,
  PauseReason,
  Pin,
  Wanted,
} from '../domain/job.ts';
import { NO_COUNTS } from '../domain/job.ts';
import type { HeartbeatDetail, JobView } from '../domain/store.ts';
import type { JobContext } from '../machines/replay-job/context.ts';
import type { Decided } from '../machines/replay-job/decide.ts';
import type { ReplayJobRow } from './schema.ts';
import { fromDatetime, fromDatetimeOrNull, fromJson, fromJsonOrNull, toDatetime } from './values.ts';
import { toDatetimeOrNull, toJson } from './values.ts';

/** The row as the machine takes it. */
export function decidedOf(row: ReplayJobRow): Decided {
  const { cut, counts, spec, limits } = documentsOf(row);
  return {
    state: row.state,
    context: {
      spec,
      limits,
      fence: row.fence,
      owner: row.owner === null ? null : asInstanceId(row.owner),
      wanted: row.wanted as Wanted | null,
      site: row.site,
      partition: row.partition_no,
      pins: fromJsonOrNull<readonly Pin[]>(row.pins),
      waitingUntilMs: fromDatetimeOrNull(row.waiting_until),
      outcome: row.outcome as Outcome | null,
      pauseReason: row.pause_reason as PauseReason | null,
      failReason: row.fail_reason as FailReason | null,
      reclaims: row.reclaims,
      idleReclaims: row.idle_reclaims,
      progressAtClaim: Number(row.progress_at_claim),
      maxRepeat: row.max_repeat,
      duplicateBound: Number(row.duplicate_bound),
      cut,
      counts,
      lastFact: { seq: row.version, type: row.last_fact as FactType, atMs: fromDatetime(row.updated_at) },
    },
  };
}

/** The row as others see it; `maxRepeat` speaks of the present owner, so it is 0 without one. */
export function viewOf(row: ReplayJobRow, gaps: readonly Gap[]): JobView {
  const { lastFact: _lastFact, spec: _spec, ...job } = decidedOf(row).context;
  return {
    ...job,
    spec: fromJson<JobSpec>(row.spec),
    id: asJobId(row.id),
    tenant: asTenantId(row.tenant),
    state: row.state,
    version: row.version,
    maxRepeat: row.owner === null ? 0 : row.max_repeat,
    progress: Number(row.progress),
    heartbeat: fromJsonOrNull<HeartbeatDetail>(row.heartbeat),
    heartbeatAtMs: fromDatetimeOrNull(row.heartbeat_at),
    leaseUntilMs: fromDatetimeOrNull(row.lease_until),
    gaps,
    createdAtMs: fromDatetime(row.created_at),
    updatedAtMs: fromDatetime(row.updated_at),
  };
}

/** Every folded column. `updated_at` is the time of the last fact: part of the fold, so heartbeats leave it. */
export function columnsOf(state: ReplayJobRow['state'], context: JobContext): FoldedColumns {
  const { lastFact } = context;
  if (!lastFact) throw new Error('a job without a fact has no row');
  return {
    state,
    version: lastFact.seq,
    last_fact: lastFact.type,
    updated_at: toDatetime(lastFact.atMs),
    limits: toJson(context.limits),
    fence: context.fence,
    owner: context.owner,
    wanted: context.wanted,
    site: context.site,
    partition_no: context.partition,
    pins: context.pins === null ? null : toJson(context.pins),
    waiting_until: toDatetimeOrNull(context.waitingUntilMs),
    outcome: context.outcome,
    pause_reason: context.pauseReason,
    fail_reason: context.failReason,
    reclaims: context.reclaims,
    idle_reclaims: context.idleReclaims,
    progress_at_claim: String(context.progressAtClaim),
    max_repeat: context.maxRepeat,
    duplicate_bound: String(context.duplicateBound),
    cut: context.cut === null ? null : toJson(context.cut),
    counts: toJson(context.counts),
  };
}

export type FoldedColumns = Omit<
  ReplayJobRow,
  | 'id'
  | 'tenant'
  | 'webhook_id'
  | 'spec'
  | 'parent_job_id'
  | 'group_id'
  | 'format'
  | 'key_hash'
  | 'created_at'
  | 'turn'
  | 'active_webhook'
  | 'lease_token'
  | 'lease_until'
  | 'progress'
  | 'heartbeat'
  | 'heartbeat_at'
>;

function documentsOf(row: ReplayJobRow) {
  return {
    cut: fromJsonOrNull<Cut>(row.cut),
    // Counts that a row of an older version does not have yet are 0.
    counts: { ...NO_COUNTS, ...fromJson<Counts>(row.counts) },
    spec: fromJson<JobSpec>(row.spec),
    limits: fromJson<Limits>(row.limits),
  };
}
