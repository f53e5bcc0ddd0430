// The words of a replay job: what was asked (spec, never changes), where its log is pinned, what was counted.
// Only data; the law that moves it is machines/replay-job, its life is actors/job.

import type { JobId, PlanId, SourceName, WebhookId } from './ids.ts';

export const JOB_STATES = [
  'OPEN',
  'STARTED',
  'ONGOING',
  'PAUSED',
  'COMPLETED',
  'CANCELLED',
  'FAILED',
] as const;
export type JobState = (typeof JOB_STATES)[number];

export type Outcome = 'complete' | 'incomplete';
export type PauseReason =
  | 'requested'
  | 'endpoint_unavailable'
  | 'endpoint_gone'
  | 'endpoint_rejects'
  /** It did not prove itself (domain/proof). */
  | 'webhook_invalid';
export type FailReason = 'log_replaced' | 'nothing_readable' | 'crash_loop';
/** Whether one site is read, and another when it fails, or all of them at once. */
export const READ_MODES = ['failover', 'union'] as const;
export type ReadMode = (typeof READ_MODES)[number];
export type Wanted = 'pause' | 'cancel';
/** Why a job reads another site: the one before does not answer, must not be read, or left gaps. */
export type SwitchReason = 'unreachable' | 'unusable' | 'replaced' | 'gaps';

/** How an event without an `event-id` header is recognised (see domain/identity). */
export type IdentityMode = 'value' | 'value+time';

/** Limits of one job's delivery; null = only the webhook's and the deployment's own. maxRate in events/s. */
export interface Limits {
  readonly maxRate: number | null;
  readonly concurrency: number | null;
}

/** What a filter compares with. Of a header: text. */
export type FilterValue = string | number | boolean | null;

/** A condition on an event inside the range, evaluated after the key match and before dedupe (event-filter.ts). */
export interface EventFilter {
  readonly where: 'header' | 'value';
  /** Header name, or a JSON pointer into the value. */
  readonly path: string;
  readonly op: 'equals' | 'in' | 'prefix';
  /** One, but for `in`; of `prefix` and of a header strings only. */
  readonly values: readonly FilterValue[];
}

/** What was asked for. Written once in REQUESTED and never changed; times are ms since 1970, [fromMs, toMs). */
export interface JobSpec {
  readonly kind: 'range' | 'plan' | 'dead_letters' | 'remainder';
  readonly parentJobId: JobId | null;
  readonly webhookId: WebhookId;
  /** The Kafka record key (UTF-8) that the webhook's events carry. */
  readonly key: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly identity: IdentityMode;
  readonly filters: readonly EventFilter[];
  readonly order: 'any' | 'strict';
  readonly scan: 'bounded' | 'full';
  readonly deliveryMode: 'single' | 'ndjson' | 'json-array';
  readonly readMode: ReadMode;
  readonly groupId: string | null;
  readonly limits: Limits;
  /** Only of a job that runs a plan, and of those that take it up. */
  readonly plan?: PlannedPins;
}

/** What a plan pinned: its job reads exactly that. A copy, because the plan itself is thrown away before the job. */
export interface PlannedPins {
  readonly planId: PlanId;
  readonly site: string;
  readonly partition: number;
  readonly pins: readonly Pin[];
  /** What retention had taken before. */
  readonly gaps: readonly Gap[];
}

/** Identifies the batch found at an offset: another one there later means that the log was replaced. */
export interface BatchMark {
  readonly offset: number;
  readonly crc: number;
  readonly maxTimestampMs: number;
}

/** Offsets [from, to). */
export type Piece = readonly [from: number, to: number];

/**
 * What shows that a mirrored copy held everything when its end was pinned: its upstream's last committed record was
 * seen in it; MirrorMaker's heartbeats passed (they cannot see one stuck partition); nothing. The strongest first.
 */
export const EVIDENCE = ['endOffsets', 'heartbeats', 'none'] as const;
export type Evidence = (typeof EVIDENCE)[number];

/** After a switch by the ledger: events below this offset and in these minutes (ms / 60,000) had been settled. */
export interface DoneMinutes {
  readonly below: number;
  /** [from, to) each, sorted and apart. */
  readonly minutes: readonly Piece[];
}

/** The piece of one source that a job reads: offsets [start, end); end null = `to` was too young to pin it. */
export interface Pin {
  readonly source: SourceName;
  readonly topic: string;
  readonly partition: number;
  readonly start: number;
  readonly end: number | null;
  /** null when there was no batch at or after start. */
  readonly first: BatchMark | null;
  /** Only of a second reading: what of [start, end) is judged besides dead letters, sorted and apart. */
  readonly pieces?: readonly Piece[];
  /** The source that MirrorMaker copies this one from. */
  readonly copyOf?: SourceName;
  /** Only of a copy whose end is pinned. */
  readonly evidence?: Evidence;
  /** Its site was left: below the cut it feeds the dedupe memory, from there on it is not read. */
  readonly isLeft?: true;
  /** Of a source that was left: it had been read to its end. */
  readonly isRead?: true;
  readonly done?: DoneMinutes;
}

export interface Counts {
  /** Records walked over, anybody's. */
  readonly scanned: number;
  /** This webhook's events in range, copies included, null values not. */
  readonly matched: number;
  readonly duplicates: number;
  /** Events that the spec's filters left out; a copy that passes is no duplicate of one that did not. */
  readonly filtered: number;
  /** Records of this webhook in range whose value is null: no events. */
  readonly tombstones: number;
  /** Answered with 2xx, once per event. */
  readonly delivered: number;
  readonly deadLettered: number;
  /** Attempts that ended without an answer and were tried again. */
  readonly unanswered: number;
  /** Repeats that were possible in fact, by reclaims: at most the events sent since, and the lost owners' bounds. */
  readonly maybeRepeated: number;
  /** Identities that the bounded dedupe memory had to forget. */
  readonly evicted: number;
  /** Offsets below the cut that could not be read again when the dedupe memory was rebuilt. */
  readonly unknownBelowCut: number;
  /** The largest step back in time seen in the log (ms). */
  readonly disorderMs: number;
  readonly siteSwitches: number;
  /** Union mode: events that were found at this site alone. */
  readonly onlyIn: Readonly<Record<string, number>>;
}

export const NO_COUNTS: Counts = {
  scanned: 0,
  matched: 0,
  duplicates: 0,
  filtered: 0,
  tombstones: 0,
  delivered: 0,
  deadLettered: 0,
  unanswered: 0,
  maybeRepeated: 0,
  evicted: 0,
  unknownBelowCut: 0,
  disorderMs: 0,
  siteSwitches: 0,
  onlyIn: {},
};

export type GapReason =
  | 'retention'
  | 'truncated'
  | 'open_transaction'
  | 'crc_mismatch'
  | 'unreadable_batch'
  | 'unknown_codec'
  | 'read_stalled'
  | 'mirror_unproven';

/** A piece of a source, offsets [from, to), that could not be read. */
export interface Gap {
  readonly source: SourceName;
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
  /** The site that was read whole instead. */
  readonly filledBy?: string;
}

/** A place in a source. */
export interface Position {
  readonly source: SourceName;
  readonly offset: number;
}

export const covers = (gap: Gap, { source, offset }: Position): boolean =>
  gap.source === source && offset >= gap.from && offset < gap.to;

/** A pointer to an event that could not be delivered; never its payload. */
export interface DeadLetter {
  readonly source: SourceName;
  readonly partition: number;
  readonly offset: number;
  readonly eventId: string;
  readonly timestampMs: number;
  readonly reason: string;
  /** null when no attempt got an answer. */
  readonly lastStatus: number | null;
  readonly attempts: number;
}
