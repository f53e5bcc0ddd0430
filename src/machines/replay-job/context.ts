// What the job machine remembers, and how each fact changes it. `evolve` is the whole of it: a pure fold step
// without clock, I/O or randomness. Whether a fact is legal is the machine's business (machine.ts).

import type { Fact, FactType, TakesUp } from '../../domain/fact.ts';
import type { JobSpec, Pin } from '../../domain/job.ts';
import { NO_COUNTS } from '../../domain/job.ts';
import type { JobView } from '../../domain/store.ts';

/** The part of a job's row that its facts fold to; what the row has besides is coordination. */
type Folded = Pick<
  JobView,
  | 'limits'
  | 'fence'
  | 'owner'
  | 'wanted'
  | 'site'
  | 'partition'
  | 'pins'
  | 'waitingUntilMs'
  | 'outcome'
  | 'pauseReason'
  | 'failReason'
  | 'reclaims'
  | 'idleReclaims'
  | 'progressAtClaim'
  | 'maxRepeat'
  | 'duplicateBound'
  | 'cut'
  | 'counts'
>;

export interface JobContext extends Folded {
  /** null only before REQUESTED. */
  readonly spec: JobSpec | null;
  readonly lastFact: { readonly seq: number; readonly type: FactType; readonly atMs: number } | null;
}

export const NO_JOB: JobContext = {
  spec: null,
  limits: { maxRate: null, concurrency: null },
  fence: 0,
  owner: null,
  wanted: null,
  site: null,
  partition: null,
  pins: null,
  waitingUntilMs: null,
  outcome: null,
  pauseReason: null,
  failReason: null,
  reclaims: 0,
  idleReclaims: 0,
  progressAtClaim: 0,
  maxRepeat: 0,
  duplicateBound: 0,
  cut: null,
  counts: NO_COUNTS,
  lastFact: null,
};

/** The context after `fact`, which the machine has found legal. Total: it never throws. */
export function evolve(context: JobContext, fact: Fact): JobContext {
  return {
    ...context,
    ...changesOf(context, fact),
    cut: fact.cut,
    counts: fact.counts,
    lastFact: { seq: fact.seq, type: fact.type, atMs: fact.atMs },
  };
}

const LEASE_ENDED = { owner: null } as const;

function changesOf(context: JobContext, fact: Fact): Partial<JobContext> {
  switch (fact.type) {
    case 'REQUESTED':
      return { spec: fact.spec, limits: fact.spec.limits, ...(fact.takesUp && takenUp(fact.takesUp)) };
    case 'CLAIMED':
      return { ...claimed(fact), idleReclaims: 0 };
    case 'RECLAIMED':
      return {
        ...claimed(fact),
        reclaims: context.reclaims + 1,
        idleReclaims: fact.progress === context.progressAtClaim ? context.idleReclaims + 1 : 0,
        duplicateBound: context.duplicateBound + context.maxRepeat,
      };
    case 'OFFSETS_RESOLVED':
      return {
        site: fact.site,
        partition: fact.partition,
        pins: fact.pins,
        waitingUntilMs: fact.waitingUntilMs,
      };
    case 'NOTHING_TO_REPLAY':
      return {
        ...LEASE_ENDED,
        site: fact.site,
        partition: fact.partition,
        pins: fact.pins,
        waitingUntilMs: null,
        outcome: 'complete',
        wanted: null,
      };
    case 'ENDS_PINNED':
      return { pins: pinEnds(context.pins, fact), waitingUntilMs: null };
    case 'SITE_SWITCHED':
      return {
        site: fact.site,
        pins: fact.pins,
        waitingUntilMs: fact.waitingUntilMs,
        duplicateBound: context.duplicateBound + fact.boundAdded,
      };
    case 'DRAINED':
      return { ...LEASE_ENDED, outcome: fact.outcome, wanted: null };
    case 'RELEASED':
      return LEASE_ENDED;
    case 'FAILED':
      return { ...LEASE_ENDED, failReason: fact.reason, wanted: null };
    case 'PAUSE_REQUESTED':
      return { wanted: 'pause' };
    case 'RESUME_REQUESTED':
      return { wanted: context.wanted === 'pause' ? null : context.wanted };
    case 'CANCEL_REQUESTED':
      return { wanted: 'cancel' };
    case 'LIMITS_CHANGED':
      return { limits: fact.limits };
    case 'PAUSED':
      return { ...LEASE_ENDED, pauseReason: fact.reason, wanted: null };
    case 'RESUMED':
      return { pauseReason: null };
    case 'CANCELLED':
      return { ...LEASE_ENDED, wanted: null, pauseReason: null };
    case 'CONTINUED':
      return {};
  }
}

function takenUp({ boundAdded, ...begun }: TakesUp): Partial<JobContext> {
  return { ...begun, duplicateBound: boundAdded };
}

function claimed(fact: Extract<Fact, { type: 'CLAIMED' | 'RECLAIMED' }>): Partial<JobContext> {
  return {
    fence: fact.fence,
    owner: fact.owner,
    maxRepeat: fact.maxRepeat,
    progressAtClaim: fact.progress,
  };
}

function pinEnds(
  pins: readonly Pin[] | null,
  { ends, evidence }: Extract<Fact, { type: 'ENDS_PINNED' }>,
): readonly Pin[] | null {
  const pinned = (pin: Pin): Pin => {
    const seen = evidence?.[pin.source];
    return { ...pin, end: ends[pin.source] ?? pin.end, ...(seen && { evidence: seen }) };
  };
  return pins?.map(pinned) ?? null;
}
