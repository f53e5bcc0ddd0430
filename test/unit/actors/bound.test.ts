// What a takeover states about itself: repeats that were possible, what the memory could not learn again, how far
// the rebuild is. And strict order, which no takeover may break.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryJobStore } from '../../support/memory-job-store.ts';
import type { MemoryRecord } from '../../support/memory-log.ts';
import { A, B, FROM, Stage, spec } from '../../support/memory-stage.ts';

const PATIENCE_MS = 120_000;

const events = (count: number): MemoryRecord[] =>
  Array.from({ length: count }, (_, n) => ({ key: 'ours', id: `e${n}`, timestampMs: FROM + n }));

const world = (records: readonly MemoryRecord[], crashes: readonly number[], maxRepeat = 10) => ({
  records,
  copies: [],
  crashes,
  maxRepeat,
  batch: 10,
  seed: 11,
});

describe('a takeover', () => {
  it('counts the bound of the lost owner as possible repeats, unless it could not send', async () => {
    const stage = new Stage(world(events(200), [80]));
    await stage.play();
    const { context } = stage.store.job;
    expect(context.duplicateBound).toBe(10);
    expect(stage.store.counts.maybeRepeated).toBe(10);
    const repeats = stage.accepted.length - new Set(stage.accepted).size;
    expect(repeats).toBeLessThanOrEqual(10);

    const early = new Stage(world(events(200), [1]));
    await early.play();
    expect(early.store.job.context.reclaims).toBe(1);
    expect(early.store.counts.maybeRepeated).toBe(0);
  });

  it('counts no more possible repeats than it sent itself', async () => {
    const stage = new Stage(world(events(4), [5], 1_000));
    await stage.play();
    expect(stage.store.job.context.duplicateBound).toBe(1_000);
    expect(stage.store.counts.maybeRepeated).toBeLessThanOrEqual(4);
  });

  it('says how many offsets below the cut it could not read again', async () => {
    const stage = new Stage(world(events(300), [250]));
    const first = stage.start('first');
    await until(() => (stage.store.cut?.[A]?.next ?? 0) > 100);
    first.abandon();
    const next = stage.store.cut?.[A]?.next ?? 0;
    const owed = stage.store.cut?.[A]?.owed.filter(([offset]) => offset < 60).length ?? 0;
    stage.log.lowest.set(A, 60);
    await stage.play();
    expect(next).toBeGreaterThan(60);
    expect(stage.store.counts.unknownBelowCut).toBe(60);
    expect(stage.store.job.context.outcome).toBe(owed === 0 ? 'complete' : 'incomplete');
    expect(stage.store.gaps).toHaveLength(owed);
  });

  it('tells how far the rebuild is', async () => {
    const stage = new Stage({ ...world(events(300), []), batch: 1, heartbeatIntervalMs: 1 });
    const first = stage.start('first');
    await until(() => (stage.store.cut?.[A]?.next ?? 0) > 100);
    first.abandon();
    const of = (stage.store.cut?.[A]?.next ?? 0) + (stage.store.cut?.[B]?.next ?? 0);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    stage.log.hold = { at: 50, until: promise };
    const seen = new Set<string>();
    const second = stage.start('second', ({ phase, rebuilt }) =>
      seen.add(`${phase} ${JSON.stringify(rebuilt)}`),
    );
    await until(() => seen.has(`rebuilding ${JSON.stringify({ done: 50, of })}`));
    resolve(undefined);
    await second.ended;
    expect(stage.store.job.state).toBe('COMPLETED');
  });
});

describe('strict order', () => {
  it(
    'is the order of the log, over both sources, retries and crashes',
    async () => {
      const cases = fc.record({
        records: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 25, size: 'max' }),
        crashes: fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 4 }),
        maxRepeat: fc.integer({ min: 1, max: 12 }),
        batch: fc.integer({ min: 1, max: 20 }),
        seed: fc.integer(),
      });
      const judge = async ({ records, ...given }: typeof cases extends fc.Arbitrary<infer T> ? T : never) => {
        const times = [...new Set(records)].toSorted((a, b) => a - b);
        const all = times.map((n) => ({ key: 'ours', id: `e${n}`, timestampMs: FROM + n }));
        // Every third one is in the other source alone, in its order.
        const own = all.filter((_, n) => n % 3 !== 0);
        const stage = new Stage(
          { ...given, records: own, copies: [] },
          new MemoryJobStore({ ...spec, order: 'strict' }),
          all.filter((_, n) => n % 3 === 0),
        );
        await stage.play();
        expect(stage.store.job.context.outcome).toBe('complete');
        expect([...new Set(stage.accepted)]).toEqual(all.map(({ id }) => id));
      };
      await fc.assert(fc.asyncProperty(cases, judge), {
        numRuns: 60,
        endOnFailure: true,
        includeErrorInReport: true,
      });
    },
    PATIENCE_MS,
  );
});

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !holds();) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
