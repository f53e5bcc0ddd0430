// The arithmetic of the growth bench: planted constants are found again, and the outage's bounds follow from them.

import { describe, expect, test } from 'vitest';
import { leastSquares } from '../../bench/growth-fit.ts';
import { boundsOf, instancesFor, needsOf } from '../../bench/growth-outage.ts';
import type { Costs, Outage } from '../../bench/growth-outage.ts';

const PLANTED = [0.5, 0.3, 0, 0.02];
const TERMS = [
  [1, 0.3, 30, 0],
  [1, 1, 110, 10],
  [1, 3, 310, 0],
  [1, 10, 1_000, 100],
  [1, 1.5, 900, 2],
];
const valueOf = (terms: readonly number[]): number =>
  terms.reduce((sum, term, at) => sum + term * (PLANTED[at] ?? 0), 0);

describe('least squares', () => {
  test('finds planted constants, and says by how much one observation is off', () => {
    const exact = leastSquares(TERMS.map((terms) => ({ value: valueOf(terms), terms })));
    for (const [at, constant] of PLANTED.entries()) expect(exact.constants[at]).toBeCloseTo(constant, 6);
    expect(Math.max(...exact.residuals.map(Math.abs))).toBeLessThan(1e-6);
    const off = leastSquares([
      { value: 1, terms: [1] },
      { value: 1, terms: [1] },
      { value: 2, terms: [1] },
    ]);
    // The least of 2 (c - 1)² + (c / 2 - 1)².
    expect(off.constants[0]).toBeCloseTo(2.5 / 2.25, 9);
    expect(off.residuals[2]).toBeCloseTo(2.5 / 2.25 / 2 - 1, 9);
  });

  test('leaves a constant below zero out and fits the others again', () => {
    const falling = [
      [1, 1],
      [1, 2],
      [1, 3],
    ].map((terms) => ({ value: 2 - 0.1 * (terms[1] ?? 0), terms }));
    const { constants } = leastSquares(falling);
    expect(constants[1]).toBe(0);
    expect(constants[0]).toBeGreaterThan(1.7);
    expect(constants[0]).toBeLessThan(1.9);
  });

  test('refuses what it cannot tell apart', () => {
    const together = [1, 2, 3].map((n) => ({ value: n, terms: [n, 2 * n] }));
    expect(() => leastSquares(together)).toThrow('go together');
    expect(() => leastSquares([{ value: 1, terms: [1, 2] }])).toThrow('cannot tell');
  });
});

describe('an outage', () => {
  const costs: Costs = { record: 1e-6, event: 1e-4, job: 0.1, recordBytes: 500, instanceMib: 200 };
  const outage: Outage = {
    ...{ perSecond: 1_000, seconds: 3_600, partitions: 10, webhooks: 100, cap: 100, cores: 4, filled: 0.5 },
  };

  test('is scanned once with shared scans, else once per webhook of the partition', () => {
    const shared = needsOf(costs, outage, true);
    const alone = needsOf(costs, outage, false);
    expect(shared).toMatchObject({ records: 3.6e6, events: 3.6e6, brokerBytes: 1.8e9 });
    expect(alone).toMatchObject({ records: 3.6e7, events: 3.6e6, brokerBytes: 1.8e10 });
    expect(shared.coreSeconds).toBeCloseTo(3.6 + 360 + 10, 6);
    const few = needsOf(costs, { ...outage, webhooks: 2 }, false);
    expect(few.records).toBe(3.6e6 * 0.2);
  });

  test('ends no earlier than the cap, the cores, the delivering threads and the partitions allow', () => {
    const alone = needsOf(costs, outage, false);
    const bounds = boundsOf(costs, outage, alone, 2);
    expect(bounds['rate cap']).toBeCloseTo(360, 9);
    expect(bounds['cores']).toBeCloseTo((36 + 360 + 10) / 4, 9);
    expect(bounds['delivering threads']).toBeCloseTo(360, 9);
    expect(bounds['partitions']).toBeCloseTo(3.6, 9);
    expect(instancesFor(costs, outage, alone, 400)).toBe(2);
    expect(instancesFor(costs, outage, alone, 300)).toBeNull();
  });
});
