// What a property test of deliveries demands whatever happened: nothing lost, nothing foreign.

import { expect } from 'vitest';
import type { MemoryJobStore } from './memory-job-store.ts';

/** How many deliveries were repeats; fails with the ids of lost and foreign events. */
export function repeatsOf(accepted: readonly string[], wanted: ReadonlySet<string>): number {
  const received = new Set(accepted);
  expect(
    [...wanted].filter((id) => !received.has(id)),
    'lost',
  ).toEqual([]);
  expect(
    [...received].filter((id) => !wanted.has(id)),
    'foreign',
  ).toEqual([]);
  return accepted.length - received.size;
}

/** One job that ended: complete, its repeats within the stated bound, its counts and its ledger those of `wanted`. */
export function expectWholeDelivery(
  accepted: readonly string[],
  { job, counts, minutes }: Pick<MemoryJobStore, 'job' | 'counts' | 'minutes'>,
  wanted: ReadonlySet<string>,
): void {
  const { state, context } = job;
  expect(state).toBe('COMPLETED');
  expect(context.outcome).toBe('complete');
  expect(repeatsOf(accepted, wanted), 'repeats').toBeLessThanOrEqual(context.duplicateBound);
  const { matched, delivered, duplicates, filtered, deadLettered } = counts;
  expect(delivered).toBe(wanted.size);
  expect(matched).toBe(delivered + duplicates + filtered + deadLettered);
  const ledger = [...minutes.values()].reduce((sum, entry) => sum + entry.delivered, 0);
  expect(ledger).toBe(wanted.size);
}
