// What clients see of webhooks, replays and transitions: times as RFC 3339 UTC, offsets as decimal strings.
// Invariant: nothing of a lease but its fence and owner, and never a secret.

import type { Cut } from '../domain/cut.ts';
import type { DeadLetterView } from '../domain/dead-letter.ts';
import type { JobState } from '../domain/job.ts';
import { gapsOf, pinsOf } from '../domain/manifest.ts';
import { demandsProof } from '../domain/proof.ts';
import type { ProofMode } from '../domain/proof.ts';
import type { Transition, WebhookView } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { weakestEvidence } from '../domain/whole.ts';
import type { DeadLetterAnswer, ReplayAnswer, TransitionAnswer } from './answers.ts';
import type { WebhookAnswer } from './webhook-answers.ts';
import { showFilters } from './filters.ts';
import { formatInstant } from './range.ts';
import { showHeaders } from './request-profile.ts';
import { showValidity } from './validity.ts';

const maybeInstant = (ms: number | null): string | null => (ms === null ? null : formatInstant(ms));

/** `proof`: which webhooks have to prove themselves. */
export function showWebhook(webhook: WebhookView, proof: ProofMode): WebhookAnswer {
  const { id, url, key, description, maxRate, concurrency, delivery, contentType, profile, version } =
    webhook;
  return {
    id,
    url,
    key,
    description,
    maxRate,
    concurrency,
    delivery,
    contentType,
    headers: showHeaders(webhook.headerNames),
    notifications: [...webhook.notifications],
    profile,
    validity: showValidity(webhook.validity, demandsProof(proof, profile)),
    version,
    createdAt: formatInstant(webhook.createdAtMs),
    updatedAt: formatInstant(webhook.updatedAtMs),
  };
}

const ENDED: readonly JobState[] = ['COMPLETED', 'CANCELLED', 'FAILED'];
const LEASED: readonly JobState[] = ['STARTED', 'ONGOING'];

/** `disorderSlackMs`: how much disorder the deployment reckons with. */
export function showReplay(
  job: JobView,
  { disorderSlackMs }: { readonly disorderSlackMs: number },
): ReplayAnswer {
  const { spec, limits } = job;
  const { disorderMs, ...counts } = job.counts;
  // What the last owner told about itself says nothing once nobody holds the lease.
  const live = LEASED.includes(job.state) ? job.heartbeat : null;
  return {
    id: job.id,
    webhookId: spec.webhookId,
    kind: spec.kind,
    planId: spec.plan?.planId ?? null,
    groupId: spec.groupId,
    parentId: spec.parentJobId,
    state: job.state,
    outcome: job.outcome,
    from: formatInstant(spec.fromMs),
    to: formatInstant(spec.toMs),
    filters: showFilters(spec.filters),
    counts,
    cut: showCut(job.cut),
    fence: job.fence,
    // A lost owner may repeat its bound; each identity that dedupe does not know (any more) lets one copy through.
    duplicateBound: job.duplicateBound + counts.evicted + counts.unknownBelowCut,
    disorder: { seenMs: disorderMs, slackMs: disorderSlackMs },
    rate: live?.rate ?? null,
    etaMs: live?.etaMs ?? null,
    waitingUntil: maybeInstant(job.waitingUntilMs),
    createdAt: formatInstant(job.createdAtMs),
    updatedAt: formatInstant(job.updatedAtMs),
    finishedAt: ENDED.includes(job.state) ? formatInstant(job.updatedAtMs) : null,
    phase: live?.phase ?? null,
    rebuilt: live?.rebuilt ?? null,
    waiting: live?.waiting ?? null,
    wanted: job.wanted,
    pauseReason: job.pauseReason,
    failReason: job.failReason,
    owner: job.owner,
    reclaims: job.reclaims,
    heartbeatAt: maybeInstant(job.heartbeatAtMs),
    site: job.site,
    read: spec.readMode,
    evidence: weakestEvidence(job.pins ?? []),
    partition: job.partition,
    pins: pinsOf(job.pins),
    gaps: gapsOf(job),
    limits: { maxRate: limits.maxRate, concurrency: limits.concurrency },
    order: spec.order,
    scan: spec.scan,
    version: job.version,
  };
}

function showCut(cut: Cut | null): ReplayAnswer['cut'] {
  const sources = Object.entries(cut ?? {});
  return Object.fromEntries(
    sources.map(([source, { next, owed }]) => [source, { next: String(next), owed: owed.length }]),
  );
}

export function showDeadLetter(letter: DeadLetterView): DeadLetterAnswer {
  const { jobId, byJobId, source, partition, eventId, reason, lastStatus, attempts, state } = letter;
  return {
    replayId: jobId,
    source,
    partition,
    offset: String(letter.offset),
    eventId,
    eventTime: formatInstant(letter.timestampMs),
    reason,
    lastStatus,
    attempts,
    state,
    byReplayId: byJobId,
  };
}

export function showTransition(transition: Transition): TransitionAnswer {
  const { seq, type, from, to, fence, owner, by, why, body } = transition;
  return { seq, type, from, to, fence, owner, at: formatInstant(transition.atMs), by, why, body };
}
