// Port to the store for the owner of a job (replay-store.ts is the API's). MySQL is the coordinator: it decides who
// owns a job, by its own clock. Every write after a claim is fenced (fence AND lease token AND a leased state); a
// write that matches no row changes nothing and says so. Nothing here throws for an expected refusal; exceptions
// are surprises (database away ...).

import type { Cut } from './cut.ts';
import type { LetterAgain, LetterFate } from './dead-letter.ts';
import type { Fact, Proposal } from './fact.ts';
import type { InstanceId, JobId, TenantId, WebhookId } from './ids.ts';
import type {
  Counts,
  DeadLetter,
  FailReason,
  Gap,
  JobSpec,
  JobState,
  Limits,
  Outcome,
  PauseReason,
  Pin,
  Wanted,
} from './job.ts';
import type { MinuteEntry } from './minute-ledger.ts';
import type { DeliveryTarget } from './sender.ts';

/** The right to act for a job until the lease ends. The token covers a database that forgot the last fence. */
export interface LeaseKey {
  readonly jobId: JobId;
  readonly fence: number;
  readonly token: string;
}

/** A job as its row shows it: the projection of its facts, with what may be newer (cut, counts, heartbeat). */
export interface JobView {
  readonly id: JobId;
  readonly tenant: TenantId;
  readonly state: JobState;
  /** Seq of the last fact. */
  readonly version: number;
  readonly spec: JobSpec;
  readonly limits: Limits;
  readonly fence: number;
  readonly owner: InstanceId | null;
  readonly wanted: Wanted | null;
  readonly site: string | null;
  readonly partition: number | null;
  readonly pins: readonly Pin[] | null;
  readonly waitingUntilMs: number | null;
  readonly outcome: Outcome | null;
  readonly pauseReason: PauseReason | null;
  readonly failReason: FailReason | null;
  readonly reclaims: number;
  /** Reclaims in a row whose lost owner had made no progress. */
  readonly idleReclaims: number;
  /** The mark of progress that the present owner began with. */
  readonly progressAtClaim: number;
  /** maxRepeat of the present owner, 0 without one. */
  readonly maxRepeat: number;
  readonly duplicateBound: number;
  readonly cut: Cut | null;
  readonly counts: Counts;
  /** Rises with each event settled, batch scanned or declared wait. */
  readonly progress: number;
  /** <= 1 KB of JSON by the owner, for whoever looks; null before the first heartbeat. */
  readonly heartbeat: HeartbeatDetail | null;
  readonly heartbeatAtMs: number | null;
  readonly leaseUntilMs: number | null;
  readonly gaps: readonly Gap[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** What the owner tells with each heartbeat; names and numbers only. */
export interface HeartbeatDetail {
  readonly phase: 'lookup' | 'rebuilding' | 'streaming' | 'throttled' | 'waiting' | 'draining';
  /** Delivered events per second over the last seconds. */
  readonly rate: number;
  /** Milliseconds until the end at the present rate; null when unknown. */
  readonly etaMs: number | null;
  readonly inFlight: number;
  readonly window: number;
  readonly queued: number;
  readonly retrying: number;
  readonly owed: number;
  readonly exposed: number;
  /** What the job waits for, if it does. */
  readonly waiting: string | null;
  readonly lastRefusal: string | null;
  /** While rebuilding: offsets below the cut that were read again, of how many. */
  readonly rebuilt?: { readonly done: number; readonly of: number } | null;
}

/** Everything that one cut makes durable, in one fenced transaction. Values are absolute, lists are new ones. */
export interface CutWrite {
  readonly cut: Cut;
  readonly counts: Counts;
  readonly progress: number;
  readonly deadLetters: readonly DeadLetter[];
  readonly gaps: readonly Gap[];
  /** What became of dead letters that this job sends again, since the last write. */
  readonly letters?: readonly LetterFate[];
  /** Minutes that are sent again: their open dead letters are none any more. */
  readonly resent?: readonly number[];
  /** The site that was read whole: gaps of others are filled by it. */
  readonly filledBy?: string;
  /** Minutes touched since the last write, with their present totals. */
  readonly minutes: readonly MinuteEntry[];
  /** As with a heartbeat: fresher than the last one's. */
  readonly detail?: HeartbeatDetail;
}

export interface Claim {
  readonly lease: LeaseKey;
  readonly job: JobView;
  /** Dead letters that this job is to send again and has not settled. */
  readonly letters: readonly LetterAgain[];
  /** The minute ledger as it is durable. */
  readonly minutes: readonly MinuteEntry[];
}

export type CommitResult =
  | { readonly ok: true; readonly facts: readonly Fact[]; readonly state: JobState }
  /**
   * `fenced`: the lease is not this one's any more; `illegal`: the machine refuses the fact in this state; `stale`: it
   * has none of the versions that the change was meant for.
   */
  | {
      readonly ok: false;
      readonly why: 'fenced' | 'illegal' | 'stale' | 'unknown_job';
      readonly state: JobState | null;
    };

/** What the cheap look of each 250 ms tells about one leased job. */
export interface LeasedLook {
  readonly jobId: JobId;
  readonly version: number;
  readonly state: JobState;
  readonly fence: number;
  readonly wanted: Wanted | null;
  readonly webhookVersion: number;
}

export interface ClaimRequest {
  /**
   * Rather a job on one of these partitions, the first ones first, than the oldest, if one is near the head of the
   * queue. `isByAge`: only of the same replay group as the oldest.
   */
  readonly gather?: {
    readonly partitions: number;
    readonly now: readonly number[];
    readonly isByAge?: boolean;
  };
  readonly instance: InstanceId;
  readonly leaseMs: number;
  readonly maxRepeat: number;
}

/** The owner's side of the job store. */
export interface JobStore {
  /** Claims one OPEN job whose turn it is at its webhook; null when there is none. */
  claim(request: ClaimRequest): Promise<Claim | null>;
  /**
   * Takes over up to `limit` jobs whose lease ended by the database's clock. Those with a pending pause or
   * cancel, or in a crash loop, are ended in the same transaction and not returned.
   */
  reclaim(request: ClaimRequest, limit: number): Promise<readonly Claim[]>;
  /** Fenced when `lease` is given; `write` goes into the same transaction. */
  commit(jobId: JobId, proposal: Proposal, lease: LeaseKey, write?: CutWrite): Promise<CommitResult>;
  saveCut(lease: LeaseKey, write: CutWrite): Promise<'saved' | 'fenced'>;
  /** Extends the lease by `leaseMs` from the database's now. */
  heartbeat(
    lease: LeaseKey,
    leaseMs: number,
    progress: number,
    detail: HeartbeatDetail,
  ): Promise<'held' | 'lost'>;
  look(instance: InstanceId): Promise<readonly LeasedLook[]>;
  /** Facts with seq > `after`, in order. */
  factsAfter(jobId: JobId, after: number): Promise<readonly Fact[]>;
  target(webhookId: WebhookId): Promise<DeliveryTarget | null>;
  /** Registers or refreshes the row of this instance. */
  instanceAlive(instance: InstanceId, detail: InstanceDetail): Promise<void>;
  instanceGone(instance: InstanceId): Promise<void>;
  /**
   * Removes up to `limit` jobs whose last fact is older than `retentionMs` by the database's clock, with everything
   * of theirs, and tells how many: only ended jobs, and none that a live one still needs.
   */
  prune(retentionMs: number, limit: number): Promise<number>;
  /** Removes up to `limit` idempotency keys that are over, and tells how many. */
  pruneKeys(limit: number): Promise<number>;
  /** The database's clock, ms since 1970. */
  nowMs(): Promise<number>;
}

export interface InstanceDetail {
  readonly version: string;
  readonly listen: string;
  readonly poolSize: number;
  readonly running: number;
}
