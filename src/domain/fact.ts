// Facts: the named, persisted steps of a replay job, in the past tense. A fact says everything that the
// machine needs to fold it; what no reader of history needs (lease tokens, secrets) is not in it.
// Owned here: the union and its common fields. Refused: any rule about when a fact is legal (machines/).

import type { Cut } from './cut.ts';
import type { InstanceId, SourceName } from './ids.ts';
import type {
  Counts,
  Evidence,
  FailReason,
  JobSpec,
  Limits,
  Outcome,
  PauseReason,
  Pin,
  SwitchReason,
} from './job.ts';
import type { WebhookProfile } from './proof.ts';

export interface TakesUp {
  readonly site: string;
  readonly partition: number;
  readonly pins: readonly Pin[];
  readonly waitingUntilMs: number | null;
  /** Events that the parent's lost owners may have delivered and nobody accounted for. */
  readonly boundAdded: number;
}

/** A fact as it is proposed: `fence` only where a lease speaks; `by`/`why` only where somebody asked. */
export type Proposal =
  | {
      readonly type: 'REQUESTED';
      readonly spec: JobSpec;
      readonly by: string;
      readonly why?: string;
      /** A job that goes on from another one's cut (which is this fact's own); it resolves no offsets. */
      readonly takesUp?: TakesUp;
    }
  | {
      readonly type: 'CLAIMED';
      readonly fence: number;
      readonly owner: InstanceId;
      readonly maxRepeat: number;
      readonly progress: number;
    }
  | {
      readonly type: 'RECLAIMED';
      readonly fence: number;
      readonly owner: InstanceId;
      readonly maxRepeat: number;
      /** The row's progress mark; unchanged since the last claim = the lost owner did nothing. */
      readonly progress: number;
    }
  | {
      readonly type: 'OFFSETS_RESOLVED';
      readonly fence: number;
      readonly site: string;
      readonly partition: number;
      readonly pins: readonly Pin[];
      /** When the ends will be pinned (ms since 1970); null when they are. */
      readonly waitingUntilMs: number | null;
    }
  | { readonly type: 'CONTINUED'; readonly fence: number }
  | {
      readonly type: 'NOTHING_TO_REPLAY';
      readonly fence: number;
      readonly site: string;
      readonly partition: number;
      readonly pins: readonly Pin[];
    }
  | {
      readonly type: 'ENDS_PINNED';
      readonly fence: number;
      readonly ends: Readonly<Record<SourceName, number>>;
      /** Of each copy among them. */
      readonly evidence?: Readonly<Record<SourceName, Evidence>>;
    }
  | {
      readonly type: 'SITE_SWITCHED';
      readonly fence: number;
      readonly site: string;
      /** The site that is not read on. */
      readonly from: string;
      readonly why: SwitchReason;
      /**
       * By memory: the new site's beside those of the sites that were left. By ledger: the new site's alone, which say
       * what the ledger proves to be done.
       */
      readonly pins: readonly Pin[];
      readonly waitingUntilMs: number | null;
      readonly by: 'memory' | 'ledger';
      /** Events that are sent again because their minute was not proven to be done. */
      readonly boundAdded: number;
    }
  | { readonly type: 'DRAINED'; readonly fence: number; readonly outcome: Outcome }
  | { readonly type: 'RELEASED'; readonly fence: number; readonly why: string }
  | { readonly type: 'FAILED'; readonly fence: number; readonly reason: FailReason; readonly why: string }
  | { readonly type: 'PAUSE_REQUESTED'; readonly by: string; readonly why: string }
  | { readonly type: 'RESUME_REQUESTED'; readonly by: string; readonly why: string }
  | { readonly type: 'CANCEL_REQUESTED'; readonly by: string; readonly why: string }
  | { readonly type: 'LIMITS_CHANGED'; readonly limits: Limits; readonly by: string; readonly why: string }
  | { readonly type: 'PAUSED'; readonly fence: number; readonly reason: PauseReason }
  | { readonly type: 'RESUMED' }
  | { readonly type: 'CANCELLED'; readonly fence: number };

export type FactType = Proposal['type'];

/** What every committed fact carries besides: its place, its time by the database's clock, and the progress. */
export interface FactStamp {
  /** 1, 2, 3 ... without a gap per job; equals the row's version. */
  readonly seq: number;
  /** ms since 1970, the database's clock. */
  readonly atMs: number;
  /** The owner's own cut and counts, else those of the locked row; null before the first cut. */
  readonly cut: Cut | null;
  readonly counts: Counts;
}

export type Fact = Proposal & FactStamp;

/**
 * The format of specs and facts that this version writes at most and understands. Raised when an older instance
 * would misread a job although it knows each of its fact types (2: jobs that go on from another one's cut; 3: jobs
 * that left a site; 4: jobs with filters, those that run the pins of a plan, and those of webhooks of profile x, whose
 * deliveries an older instance would not sign as X does).
 */
export const JOB_FORMAT = 4;
const ANYBODY = 1;
const SITES = 3;
const NEWEST = 4;

/** The least format that an instance must know to run a job as it was asked for. */
export function formatOf(
  { readMode, filters, plan }: JobSpec,
  { profile, takesUp = false }: { readonly profile: WebhookProfile; readonly takesUp?: boolean },
): number {
  if (filters.length > 0 || plan || profile === 'x') return NEWEST;
  // A version without failover reads one site alone; what is taken up may have left one.
  return takesUp || readMode === 'union' ? SITES : ANYBODY;
}

/** After a switch: `present` is what its row says. */
export const formatOfSwitched = (present: number): number => Math.max(present, SITES);

/** The fact types of this version, each exactly once; a history with another is not claimed. */
export const FACT_TYPES = [
  'REQUESTED',
  'CLAIMED',
  'RECLAIMED',
  'OFFSETS_RESOLVED',
  'CONTINUED',
  'NOTHING_TO_REPLAY',
  'ENDS_PINNED',
  'SITE_SWITCHED',
  'DRAINED',
  'RELEASED',
  'FAILED',
  'PAUSE_REQUESTED',
  'RESUME_REQUESTED',
  'CANCEL_REQUESTED',
  'LIMITS_CHANGED',
  'PAUSED',
  'RESUMED',
  'CANCELLED',
] as const satisfies readonly FactType[];
