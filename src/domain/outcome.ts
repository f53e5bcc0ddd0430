// What an answer means: for the event (judge), for the endpoint as a whole (hintOf) and for the window (strains).
// Owns the table of statuses; refuses to count streaks or to pause a job: that is the endpoint's machine.
// Invariant: an attempt that we ended ourselves (aborted) is never held against the receiver or the event.

import { backoffMs, boundedRetryAfterMs } from './backoff.ts';
import type { BackoffPolicy } from './backoff.ts';
import type { Answer, SendFailure } from './sender.ts';

export interface RetryPolicy extends BackoffPolicy {
  /** Attempts before an event is given up when the fault may pass (5xx, 429, time-outs, ...). */
  readonly maxAttempts: number;
  /** Attempts when the receiver rejects the event (other 4xx, 3xx): it hardly gets better by repeating. */
  readonly maxAttemptsRejected: number;
}

/** Eight attempts wait at most 500 ms * (1 + 2 + ... + 64) = 64 s together. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 8,
  maxAttemptsRejected: 3,
  baseMs: 500,
  capMs: 60_000,
  retryAfterCapMs: 300_000,
};

export type Outcome =
  | { readonly kind: 'delivered' }
  | {
      readonly kind: 'retry';
      readonly afterMs: number;
      /** The whole endpoint is to be left alone for this long; null = only this event waits. */
      readonly slowDownMs: number | null;
    }
  /** `reason`: `http_<status>` or the name of the failure, for the dead letter. */
  | { readonly kind: 'give_up'; readonly reason: string };

/**
 * What one answer says about the endpoint. `unavailable`: it cannot take events now (refused, time-outs, TLS, DNS,
 * blocked, 5xx, 408, 425, 429); `rejects`: it works and says no (other 4xx, 3xx).
 */
export type EndpointHint = 'fine' | 'gone' | 'unavailable' | 'rejects';

const DELIVERED: Outcome = { kind: 'delivered' };
const AT_ONCE: Outcome = { kind: 'retry', afterMs: 0, slowDownMs: null };
const GONE = 410;
/** 4xx that speak of the moment, not of the event. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** Statuses whose Retry-After is for the endpoint, not only for this event. */
const SLOW_DOWN: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * The fate of an event after its `attempt` (1 = the first) got this answer. `random`: uniform in [0, 1).
 * A 410 is retried as long as a passing fault: the event must stay owed while the endpoint's machine pauses the job.
 */
export function judge(answer: Answer, attempt: number, policy: RetryPolicy, random: () => number): Outcome {
  if (answer.kind === 'unanswered') {
    if (answer.failure === 'aborted') return AT_ONCE;
    if (attempt >= policy.maxAttempts) return { kind: 'give_up', reason: answer.failure };
    if (answer.failure === 'stale') return AT_ONCE;
    return { kind: 'retry', afterMs: backoffMs(attempt, null, policy, random), slowDownMs: null };
  }
  const { status, retryAfterMs } = answer;
  if (isSuccess(status)) return DELIVERED;
  const limit = hintOf(answer) === 'rejects' ? policy.maxAttemptsRejected : policy.maxAttempts;
  if (attempt >= limit) return { kind: 'give_up', reason: `http_${status}` };
  return {
    kind: 'retry',
    afterMs: backoffMs(attempt, retryAfterMs, policy, random),
    slowDownMs: SLOW_DOWN.has(status) ? boundedRetryAfterMs(retryAfterMs, policy) : null,
  };
}

/** Attempts of a batch while its fault may pass; then one of its events may be the cause, or its size. */
const BATCH_ATTEMPTS = 3;

/** Whether a batch that failed for the `attempt`-th time with this answer is halved instead of repeated. */
export function isToHalve(answer: Answer, attempt: number, { maxAttempts }: RetryPolicy): boolean {
  return hintOf(answer) === 'rejects' || attempt >= Math.min(maxAttempts, BATCH_ATTEMPTS);
}

/** What the answer says about the endpoint; null = nothing (we aborted the attempt, or it met a stale socket). */
export function hintOf(answer: Answer): EndpointHint | null {
  if (answer.kind === 'unanswered') return isOfMoment(answer.failure) ? null : 'unavailable';
  if (isSuccess(answer.status)) return 'fine';
  if (answer.status === GONE) return 'gone';
  return answer.status >= 500 || PASSING.has(answer.status) ? 'unavailable' : 'rejects';
}

/** Whether the answer asks for fewer requests in flight (window.strained): 429, 5xx, and no answer at all. */
export function strains(answer: Answer): boolean {
  if (answer.kind === 'unanswered') return !isOfMoment(answer.failure);
  return answer.status === 429 || answer.status >= 500;
}

/** Says nothing about the receiver: we ended it, or an idle socket was closed. */
function isOfMoment(failure: SendFailure): boolean {
  return failure === 'aborted' || failure === 'stale';
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
