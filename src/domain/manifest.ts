// The completion manifest: what a replay says it delivered, in a form that somebody else can check without trusting
// it (docs/COMPLETION.md). Owned here: what is in it and how it is written on the wire: times as RFC 3339 in UTC,
// offsets as decimal strings, digests as 64 hex characters.
// Invariant: of an ended job it never changes, so an event that is built from it is the same at each attempt.

import type { Gap, JobState, Pin } from './job.ts';
import { MINUTE_MS } from './minute-ledger.ts';
import type { MinuteEntry } from './minute-ledger.ts';
import { siteOf } from './ids.ts';
import type { JobView } from './store.ts';

/** What of a job its manifest is made from. */
export type ManifestJob = Pick<
  JobView,
  | 'id'
  | 'state'
  | 'version'
  | 'spec'
  | 'outcome'
  | 'pauseReason'
  | 'failReason'
  | 'pins'
  | 'counts'
  | 'duplicateBound'
  | 'reclaims'
  | 'gaps'
  | 'createdAtMs'
  | 'updatedAtMs'
>;

export interface ManifestMinute {
  readonly minute: string;
  readonly delivered: number;
  readonly deliveredDigest: string;
  readonly deadLettered: number;
  readonly deadLetteredDigest: string;
  readonly resent: boolean;
}

const ENDED: readonly JobState[] = ['COMPLETED', 'CANCELLED', 'FAILED'];
const instant = (ms: number): string => new Date(ms).toISOString();

/** Whether nothing of the job will change any more. */
export const isFinal = (state: JobState): boolean => ENDED.includes(state);
export const manifestPath = (jobId: string): string => `/v1/replays/${jobId}/manifest`;

/** All of the manifest but what can be long. */
export function headOf(job: ManifestJob) {
  const { spec, counts } = job;
  const { disorderMs, onlyIn: _onlyIn, ...shown } = counts;
  return {
    replayId: job.id as string,
    webhookId: spec.webhookId as string,
    kind: spec.kind,
    parentId: spec.parentJobId as string | null,
    state: job.state,
    outcome: job.outcome,
    pauseReason: job.pauseReason,
    failReason: job.failReason,
    final: isFinal(job.state),
    from: instant(spec.fromMs),
    to: instant(spec.toMs),
    identity: spec.identity,
    order: spec.order,
    counts: shown,
    reclaims: job.reclaims,
    duplicateBound: job.duplicateBound + counts.evicted + counts.unknownBelowCut,
    disorderMs,
    version: job.version,
    createdAt: instant(job.createdAtMs),
    updatedAt: instant(job.updatedAtMs),
    manifest: manifestPath(job.id),
  };
}

export const sourcesOf = ({ pins }: ManifestJob) =>
  pinsOf(pins).map(({ source, ...pin }) => ({ source, site: siteOf(source), ...pin }));

/** Pins as clients are shown them: offsets as text. */
export function pinsOf(pins: readonly Pin[] | null) {
  return (pins ?? []).map(({ source, topic, partition, start, end, copyOf, evidence, isLeft }) => ({
    source,
    topic,
    partition,
    start: String(start),
    end: end === null ? null : String(end),
    copyOf: copyOf ?? null,
    evidence: evidence ?? null,
    left: isLeft === true,
  }));
}

/** The same of gaps. */
export const gapsOf = ({ gaps }: { readonly gaps: readonly Gap[] }) =>
  gaps.map((gap) => ({
    source: gap.source,
    from: String(gap.from),
    to: String(gap.to),
    reason: gap.reason,
    filledBy: gap.filledBy ?? null,
  }));

export function minuteOf(entry: MinuteEntry): ManifestMinute {
  const { minute, delivered, deliveredDigest, deadLettered, deadLetteredDigest, resent } = entry;
  const digests = { delivered, deliveredDigest, deadLettered, deadLetteredDigest };
  return { minute: instant(minute * MINUTE_MS), ...digests, resent: resent === true };
}

export type ManifestHead = ReturnType<typeof headOf>;
export interface Manifest extends ManifestHead {
  readonly sources: ReturnType<typeof sourcesOf>;
  readonly gaps: ReturnType<typeof gapsOf>;
  /** Oldest first; minutes in which nothing was settled are not in it. */
  readonly minutes: readonly ManifestMinute[];
}

export function manifestOf(job: ManifestJob, minutes: readonly MinuteEntry[]): Manifest {
  return { ...headOf(job), sources: sourcesOf(job), gaps: gapsOf(job), minutes: minutes.map(minuteOf) };
}
