// Pauses that come and are taken back at any moment, several at once: no owner is lost, so nothing may be repeated.
// The end of a run must not be committed with a cut that was taken while delivery went on in between.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expectWholeDelivery } from '../../support/delivered.ts';
import { FROM, Stage } from '../../support/memory-stage.ts';

const MANY_OWNERS = 40;
const EVENTS = 60;

interface Wish {
  /** The write or send before which it is recorded. */
  readonly at: number;
  /** PAUSE and RESUME by turns, so many in a row. */
  readonly times: number;
  /** Whether the owner sees it at once; else with the next one that it sees. */
  readonly isSeen: boolean;
}

const wish: fc.Arbitrary<Wish> = fc.record({
  at: fc.integer({ min: 3, max: 150 }),
  times: fc.integer({ min: 1, max: 4 }),
  isSeen: fc.boolean(),
});

async function steered(wishes: readonly Wish[], seed: number, maxRepeat: number): Promise<void> {
  const records = Array.from({ length: EVENTS }, (_, n) => ({
    key: 'ours',
    id: `e${n}`,
    timestampMs: FROM + n,
  }));
  const crashes = Array.from({ length: MANY_OWNERS }, () => Infinity);
  const stage = new Stage({ records, copies: [], crashes, maxRepeat, batch: 9, seed });
  const { store } = stage;
  stage.beforeStep = (steps) => {
    for (const { times, isSeen } of wishes.filter(({ at }) => at === steps)) {
      for (let n = 0; n < times; n++) {
        const pauses = store.view().wanted !== 'pause' && store.job.state !== 'PAUSED';
        store.request({ type: pauses ? 'PAUSE_REQUESTED' : 'RESUME_REQUESTED', by: 'op', why: '' });
      }
      if (isSeen) setImmediate(stage.look);
    }
  };
  stage.beforeOwner = () => {
    if (store.job.state === 'PAUSED') store.request({ type: 'RESUME_REQUESTED', by: 'op', why: '' });
    stage.look();
  };
  await stage.play();
  expectWholeDelivery(stage.accepted, store, new Set(records.map(({ id }) => id)));
  expect(store.facts.filter(({ type }) => type === 'RECLAIMED')).toEqual([]);
  expect(stage.accepted).toHaveLength(EVENTS);
}

it('repeats nothing, however pauses and resumes fall', async () => {
  const wishes = fc.array(wish, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(wishes, fc.integer(), fc.integer({ min: 1, max: 12 }), (given, seed, maxRepeat) =>
      steered(given, seed, maxRepeat),
    ),
    { numRuns: 200, endOnFailure: true, includeErrorInReport: true },
  );
}, 120_000);
