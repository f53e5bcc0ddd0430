// Keeps throwing away what has ended long ago, beside the pool and without its places. Owned here: how often and
// how much at a time. What may go is the store's to know. Every instance does it, each at its own random pace;
// nobody waits for it at a stop: a batch that is cut off has removed nothing.

import { pause } from '../domain/pause.ts';
import type { Emit } from '../domain/signals.ts';
import type { JobStore } from '../domain/store.ts';

export interface Pruning {
  readonly store: Pick<JobStore, 'prune' | 'pruneKeys'>;
  readonly emit: Emit;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly retentionMs: number;
}

const INTERVAL_MS = 5 * 60_000;
/** Jobs per transaction at most. */
const BATCH = 100;
/** Idempotency keys per statement at most. */
const KEYS = 1_000;

/** Resolves after `signal`; the first pass comes at once, the next ones each after half to one and a half intervals. */
export async function keepPruning(
  { store, emit, random, retentionMs }: Pruning,
  signal: AbortSignal,
  intervalMs = INTERVAL_MS,
): Promise<void> {
  while (!signal.aborted) {
    let jobs = 0;
    try {
      for (let batch = -1; batch !== 0 && !signal.aborted; jobs += batch) {
        batch = await store.prune(retentionMs, BATCH);
      }
      for (let batch = KEYS; batch === KEYS && !signal.aborted;) batch = await store.pruneKeys(KEYS);
    } catch {
      // The store has said that the database is away; the next pass goes on where this one ended.
    }
    if (jobs > 0) emit('jobs.pruned', { jobs });
    await pause(intervalMs * (0.5 + random()), signal);
  }
}
