// Waiting between tries, and giving way to an abort. Reading never gives up by itself: how long a job may wait
// is its owner's decision, made by aborting. Refuses: a wait that an abort cannot end.

import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../domain/backoff.ts';
import type { BackoffPolicy } from '../domain/backoff.ts';
import type { Emit } from '../domain/signals.ts';
import { RepriseError, messageOf } from '../domain/errors.ts';

/** Full jitter: many readers that lost one broker must not come back together. */
const BACKOFF: BackoffPolicy = { baseMs: 100, capMs: 5_000, retryAfterCapMs: 0 };

export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === 'AbortError') return reason;
  return new DOMException('reading was stopped', 'AbortError');
}

/** `attempt` counts from 1. */
export async function waitBackoff(attempt: number, signal: AbortSignal): Promise<void> {
  await waitMs(backoffMs(attempt, null, BACKOFF, Math.random), signal);
}

export async function waitMs(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw abortError(signal);
  }
}

/** `promise`, or AbortError as soon as the signal aborts; the promise is then left to end unheard. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(abortError(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Repeats `work` until it succeeds, is refused for good (RepriseError) or the signal aborts. */
export async function retrying<T>(
  source: string,
  emit: Emit,
  signal: AbortSignal,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await untilAborted(work(attempt), signal);
    } catch (error) {
      if (error instanceof RepriseError || signal.aborted) throw error;
      emit('read.retry', { source, error: messageOf(error), attempt });
      await waitBackoff(attempt, signal);
    }
  }
}
