import { expect, it } from 'vitest';
import { poolGauges } from '../../../src/actors/pool-gauges.ts';
import type { JobGauges } from '../../../src/actors/pool-gauges.ts';

const job = (change: Partial<JobGauges>): JobGauges => ({
  owed: 0,
  heartbeatAgeMs: 0,
  cutAgeMs: 0,
  sites: new Map(),
  ...change,
});

it('sums over the jobs, tells the oldest ages in seconds, and each configured site, also one that nobody reads', () => {
  const jobs = [
    job({ owed: 3, heartbeatAgeMs: 500, cutAgeMs: 20, sites: new Map([['dc1', 40]]) }),
    job({ owed: 4, heartbeatAgeMs: 1_500, cutAgeMs: 10, sites: new Map(Object.entries({ dc1: 2, dc2: 5 })) }),
    job({}),
  ];
  const told = poolGauges(jobs, { sites: ['dc1', 'dc2', 'dc3'], memory: 9 });
  expect(told.map(({ gauge, labels, value }) => [labels ? `${gauge} ${labels.site}` : gauge, value])).toEqual(
    [
      ['running', 3],
      ['owed', 7],
      ['memory', 9],
      ['heartbeatAge', 1.5],
      ['cutAge', 0.02],
      ['jobsReading dc1', 2],
      ['siteLag dc1', 42],
      ['jobsReading dc2', 1],
      ['siteLag dc2', 5],
      ['jobsReading dc3', 0],
      ['siteLag dc3', 0],
    ],
  );
});
