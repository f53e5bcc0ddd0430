// The model behind a plan's times.

import { describe, expect, it } from 'vitest';
import { SCAN_BYTES_PER_SECOND, SCAN_RECORDS_PER_SECOND, capOf, etaOf } from '../../../src/domain/plan.ts';

describe('the time of a run', () => {
  it.each([
    ['small records by their number', SCAN_RECORDS_PER_SECOND, 1, 2_500, 1_000, 120_000],
    ['large ones by their bytes', 10, SCAN_BYTES_PER_SECOND * 2, 10, 2_000, 2_000],
    ['without a size by their number', SCAN_RECORDS_PER_SECOND * 2, null, 1_000_000, 2_000, 2_000],
    ['none in no time', 0, 0, 1, 0, 0],
  ])('of %s', (_name, records, bytes, maxRate, leastMs, mostMs) => {
    expect(etaOf(records, bytes, maxRate)).toEqual({ leastMs, mostMs });
  });

  it('is reckoned with the least of the caps that are given', () => {
    expect([capOf(9, null, null), capOf(9, 5, null), capOf(9, 5, 3), capOf(2, 5, 3)]).toEqual([9, 5, 3, 2]);
  });
});
