// A job that is cancelled anywhere, with events given up and a piece of the log that cannot be read, under random
// crashes; then its remainder over the mended log, under random crashes too. Together they deliver everything,
// nothing foreign, and repeat no more than their bounds say. And the same of what takes up the remainder.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identityOf } from '../../../src/domain/identity.ts';
import type { EventFilter } from '../../../src/domain/job.ts';
import { asJobId } from '../../../src/domain/ids.ts';
import { possibleRepeats, remainderOf } from '../../../src/domain/undone.ts';
import { repeatsOf } from '../../support/delivered.ts';
import { MemoryJobStore } from '../../support/memory-job-store.ts';
import { WANTED_ONLY } from '../../support/memory-log.ts';
import type { MemoryRecord } from '../../support/memory-log.ts';
import { A, FROM, Stage, TO, spec } from '../../support/memory-stage.ts';
import type { World } from '../../support/memory-stage.ts';

/** Seconds on a calm machine. */
const PATIENCE_MS = 180_000;
interface Case extends World {
  readonly poison: readonly number[];
  readonly damaged: readonly [number, number];
  readonly cancelAt: number;
  readonly secondCancelAt: number;
}

const record: fc.Arbitrary<MemoryRecord> = fc.record({
  key: fc.constantFrom('ours', 'ours', 'theirs'),
  id: fc.integer({ min: 0, max: 80 }).map((n) => `e${n}`),
  timestampMs: fc.integer({ min: FROM - 5_000, max: TO + 5_000 }),
  kind: fc.constantFrom('wanted', 'wanted', 'other'),
});

const cases: fc.Arbitrary<Case> = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 200, size: 'max' }),
  copies: fc.array(fc.nat(), { maxLength: 100, size: 'max' }),
  crashes: fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 3 }),
  maxRepeat: fc.integer({ min: 1, max: 12 }),
  batch: fc.integer({ min: 1, max: 20 }),
  seed: fc.integer(),
  poison: fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 6 }),
  damaged: fc.tuple(fc.integer({ min: 0, max: 150 }), fc.integer({ min: 0, max: 40 })),
  cancelAt: fc.integer({ min: 1, max: 300 }),
  secondCancelAt: fc.integer({ min: 1, max: 300 }),
});

const wantedOf = ({ records }: World, filters: readonly EventFilter[]): ReadonlySet<string> => {
  const inRange = records.filter(
    ({ key, timestampMs, kind }) =>
      key === 'ours' &&
      timestampMs >= FROM &&
      timestampMs < TO &&
      (filters.length === 0 || kind === 'wanted'),
  );
  return new Set(inRange.map(({ id }) => id));
};

/** The remainder of an ended job as the real store makes it; null when nothing is undone. */
function remainder(parent: MemoryJobStore): MemoryJobStore | null {
  const { pins, cut, gaps, counts, state, spec } = parent.view();
  const open = [...parent.deadLetters.values()].map((letter) => ({ ...letter, jobId: asJobId('1') }));
  const letters = [...open, ...parent.letters];
  const child = { ...spec, kind: 'remainder' as const, parentJobId: parent.id };
  if (pins === null) return state === 'COMPLETED' ? null : new MemoryJobStore(child);
  const taken = remainderOf({ pins, cut, gaps }, letters);
  if (!taken) return null;
  const boundAdded = Math.max(0, possibleRepeats(parent.facts) - counts.maybeRepeated);
  const takesUp = { site: 'dc1', partition: 0, pins: taken.pins, waitingUntilMs: null, boundAdded };
  const matched = Object.values(taken.cut).reduce((sum, { owed }) => sum + owed.length, 0);
  const store = new MemoryJobStore(child, { takesUp, cut: taken.cut, matched });
  store.letters = letters;
  return store;
}

async function judge(given: Case, filters: readonly EventFilter[] = []): Promise<void> {
  const [bad, length] = given.damaged;
  const stages: Stage[] = [];
  const run = async (store: MemoryJobStore, isFirst: boolean, cancelAt: number): Promise<Stage> => {
    const stage = new Stage(given, store);
    stage.cancelAt = cancelAt;
    if (isFirst) {
      stage.log.damaged.set(A, [bad, bad + length]);
      stage.poison = new Set(given.poison.map((n) => `e${n}`));
    }
    await stage.play();
    stages.push(stage);
    return stage;
  };
  let last = await run(new MemoryJobStore({ ...spec, filters }), true, given.cancelAt);
  for (const cancelAt of [given.secondCancelAt, Infinity, Infinity]) {
    const store = remainder(last.store);
    if (!store) break;
    last = await run(store, false, cancelAt);
  }
  const wanted = wantedOf(given, filters);
  const accepted = stages.flatMap((stage) => stage.accepted);
  const bound = stages.reduce((sum, { store }) => sum + store.job.context.duplicateBound, 0);
  const possible = stages.reduce((sum, { store }) => sum + store.counts.maybeRepeated, 0);
  // Cancelled when all was settled leaves nothing either.
  expect(remainder(last.store)).toBeNull();
  expect(last.store.job.context.outcome).not.toBe('incomplete');
  const repeats = repeatsOf(accepted, wanted);
  expect(repeats, 'repeats against the bound').toBeLessThanOrEqual(bound);
  expect(repeats, 'repeats that were possible').toBeLessThanOrEqual(possible);
  expect(possible).toBeLessThanOrEqual(bound);
  for (const { store } of stages) {
    const { matched, delivered, duplicates, filtered, deadLettered } = store.counts;
    const owed = Object.values(store.cut ?? {}).reduce((sum, at) => sum + at.owed.length, 0);
    expect(matched).toBe(delivered + duplicates + filtered + deadLettered + owed);
  }
}

describe('a job and its remainders', () => {
  it(
    'deliver everything, nothing foreign, and repeat within their bounds',
    async () => {
      await fc.assert(
        fc.asyncProperty(cases, (given) => judge(given)),
        {
          numRuns: 300,
          endOnFailure: true,
          includeErrorInReport: true,
        },
      );
    },
    PATIENCE_MS,
  );

  it(
    'do so of what passes the filters of the first one, which the others inherit',
    async () => {
      await fc.assert(
        fc.asyncProperty(cases, (given) => judge(given, [WANTED_ONLY])),
        { numRuns: 150, endOnFailure: true, includeErrorInReport: true },
      );
    },
    PATIENCE_MS,
  );

  it('know a dead letter by its id alone', () => {
    expect(identityOf('e1')).toHaveLength(22);
  });
});
