// Plans: what a replay of a range would read, found out before it starts, and the port to who finds it out. A plan pins
// offsets, so a run of it reads exactly those however the log grows meanwhile. Pure: the estimates and their model.

import type { JobId, PlanId, SourceName, TenantId, WebhookId } from './ids.ts';
import type { JobSpec, Limits, PlannedPins, ReadMode } from './job.ts';
import type { RangeRequest } from './log.ts';

export const PLAN_WARNINGS = [
  'retention',
  'not_settled',
  'mirror_unproven',
  'site_unreachable',
  'replay_live',
  'already_replayed',
  'webhook_invalid',
] as const;

/** What whoever runs the plan should know; `detail` is for people. */
export interface PlanWarning {
  readonly code: (typeof PLAN_WARNINGS)[number];
  readonly detail: string;
  readonly source?: SourceName;
  readonly site?: string;
  readonly replayId?: JobId;
}

export interface PlanRange extends RangeRequest {
  readonly readMode: ReadMode;
  /** From when on the ends of the range can be pinned (ms since 1970). */
  readonly settledAtMs: number;
  /** The database's clock. */
  readonly nowMs: number;
}

/** What was found in the log. */
export interface PlannedRange extends Omit<PlannedPins, 'planId'> {
  /** Offsets of each pin: [start, end), or up to now where the end is open. */
  readonly records: Readonly<Record<SourceName, number>>;
  /** null: no sample could be read in time. */
  readonly estimatedBytes: number | null;
  readonly warnings: readonly PlanWarning[];
}

/** Asks the delivery log. Rejects with RepriseError log_unavailable, log_unusable or too_many_requests. */
export interface Planner {
  plan(range: PlanRange): Promise<PlannedRange>;
}

export type PlanSpec = Omit<JobSpec, 'webhookId' | 'key'>;

export interface PlanDraft extends PlannedRange {
  readonly webhookId: WebhookId;
  readonly spec: PlanSpec;
  readonly settledAtMs: number;
  readonly eta: Eta;
}

export interface PlanView extends PlanDraft {
  readonly id: PlanId;
  readonly tenant: TenantId;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** The replay that runs it, null before. */
  readonly jobId: JobId | null;
}

/** `no_plan`: unknown, foreign, another webhook's, or expired. */
export type PlanRefusal = 'no_plan' | { readonly usedBy: JobId };

/** Replays of one webhook: those that have not ended, and completed ones whose range overlaps. Newest first. */
export interface ReplaysBeside {
  readonly live: readonly JobId[];
  readonly completed: readonly JobId[];
}

/**
 * What one instance was measured to scan when nothing is wanted (`npm run bench -- memory`: 676,000 records/s of 1 KB),
 * with half of it in reserve. The slower of the two rules: small records by their number, large ones by their bytes.
 */
export const SCAN_RECORDS_PER_SECOND = 300_000;
export const SCAN_BYTES_PER_SECOND = 300 * 1024 * 1024;

/** Of a run from its claim on: nothing of the range is the webhook's; every record is. */
export interface Eta {
  readonly leastMs: number;
  readonly mostMs: number;
}

/**
 * Scanning and delivering overlap, so the slower one counts. How many of the records are the webhook's is not known
 * before they are read: none, and the scan alone takes time; all, and each is delivered at the cap. Not in it: waiting
 * for a turn, a range that is not settled, and a receiver that takes less than the cap.
 */
export function etaOf(records: number, bytes: number | null, maxRate: number): Eta {
  const scanMs = Math.max(
    (records / SCAN_RECORDS_PER_SECOND) * 1000,
    ((bytes ?? 0) / SCAN_BYTES_PER_SECOND) * 1000,
  );
  const deliveryMs = (records / maxRate) * 1000;
  return { leastMs: Math.ceil(scanMs), mostMs: Math.ceil(Math.max(scanMs, deliveryMs)) };
}

/** The least of the caps that are given. */
export const capOf = (deployment: number, ...limits: readonly Limits['maxRate'][]): number =>
  Math.min(deployment, ...limits.filter((limit) => limit !== null));

export const recordsOf = ({ records }: Pick<PlannedRange, 'records'>): number =>
  Object.values(records).reduce((sum, each) => sum + each, 0);

/** Whether a run can read nothing but what is pinned now. */
export const isPinned = ({ pins }: Pick<PlannedRange, 'pins'>): boolean =>
  pins.every(({ end }) => end !== null);
