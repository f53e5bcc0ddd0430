// How long to wait before an attempt is repeated: exponential with full jitter.
// Full jitter, because events that failed together must not come back together (AWS Architecture Blog,
// "Exponential Backoff And Jitter": least work of all variants).
// Invariants: never above its bounds; never before the receiver's Retry-After, as far as that is within bounds.

export interface BackoffPolicy {
  /** Upper bound of the first wait, ms; doubles with each attempt. */
  readonly baseMs: number;
  /** Upper bound of every wait without Retry-After, ms. */
  readonly capMs: number;
  /** The longest Retry-After that is obeyed, ms: a receiver must not park a job for years. */
  readonly retryAfterCapMs: number;
}

/**
 * Ms to wait after the failed `attempt` (1 = the first). `random`: uniform in [0, 1).
 * `retryAfterMs`: what the receiver asked for, null when nothing.
 */
export function backoffMs(
  attempt: number,
  retryAfterMs: number | null,
  policy: BackoffPolicy,
  random: () => number,
): number {
  // 2 ** 1,024 is Infinity, and the cap still wins.
  const ceilingMs = Math.min(policy.capMs, policy.baseMs * 2 ** Math.max(0, attempt - 1));
  return Math.max(random() * ceilingMs, boundedRetryAfterMs(retryAfterMs, policy) ?? 0);
}

/** The wait that a receiver asked for, within bounds; null when it asked for none. */
export function boundedRetryAfterMs(retryAfterMs: number | null, policy: BackoffPolicy): number | null {
  return retryAfterMs === null ? null : Math.min(Math.max(0, retryAfterMs), policy.retryAfterCapMs);
}
