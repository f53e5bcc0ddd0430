// What a property test of deliveries demands whatever happened: nothing lost, nothing foreign.

import { expect } from 'vitest';

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
