import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pace } from '../../../src/domain/pace.ts';

const SECOND_MS = 1_000;

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'back'; readonly ms: number }
  | { readonly kind: 'rate'; readonly rate: number }
  | { readonly kind: 'take'; readonly wanted: number }
  | { readonly kind: 'all' };

const rates = fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0.1, max: 50, noNaN: true }));
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.double({ min: 0, max: 700, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.integer({ min: 1, max: 5_000 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('rate' as const), rate: rates }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('take' as const),
        wanted: fc.integer({ min: 1, max: 2_000 }),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'all' as const }) },
  ),
  { minLength: 1, maxLength: 80 },
);

interface Mark {
  readonly atMs: number;
  /** Events that the rate in force allowed up to here, without bursts. */
  readonly allowed: number;
  readonly taken: number;
  readonly burst: number;
}

/** Plays the steps; real time only goes on, the clock that Pace sees also steps back. */
function play(first: number, plan: readonly Step[]): readonly Mark[] {
  const pace = new Pace(first);
  let realMs = 0;
  let seenMs = 1e9;
  let allowed = 0;
  const marks: Mark[] = [];
  pace.take(seenMs);
  for (const step of plan) {
    let taken = 0;
    if (step.kind === 'wait') {
      allowed += (step.ms * pace.rate) / SECOND_MS;
      realMs += step.ms;
      seenMs += step.ms;
    } else if (step.kind === 'back') seenMs -= step.ms;
    else if (step.kind === 'rate') pace.setRate(step.rate, seenMs);
    else if (step.kind === 'take') taken = pace.takeMany(seenMs, step.wanted);
    else if (pace.take(seenMs, pace.most) === 0) taken = pace.most;
    marks.push({ atMs: realMs, allowed, taken, burst: pace.burst });
  }
  return marks;
}

describe('Pace', () => {
  test('never lets more than the rate and one burst through, over any span', () => {
    fc.assert(
      fc.property(rates, steps, (first, plan) => {
        const marks = play(first, plan);
        marks.forEach((from, start) => {
          let taken = 0;
          let burst = start === 0 ? new Pace(first).burst : (marks[start - 1]?.burst ?? 0);
          for (const to of marks.slice(start)) {
            taken += to.taken;
            burst = Math.max(burst, to.burst);
            expect(taken).toBeLessThanOrEqual(to.allowed - from.allowed + burst + 1e-6);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  test('starts empty: nothing at once, and no burst in the first second', () => {
    const pace = new Pace(2_500);
    expect(pace.take(0)).toBeCloseTo(0.4);
    let taken = 0;
    for (let nowMs = 1; nowMs <= SECOND_MS; nowMs += 1) taken += pace.takeMany(nowMs, 1_000);
    expect(taken).toBeLessThanOrEqual(2_500);
  });

  test.each([0.5, 1, 3, 7, 10, 99, 1_000, 2_500, 33_333])(
    'reaches %d/s within one percent with timers of 1 ms that come up to 2 ms late',
    (rate) => {
      const pace = new Pace(rate);
      const seconds = Math.max(10, Math.ceil(200 / rate));
      let taken = 0;
      let late = 0;
      for (let nowMs = 0; nowMs <= seconds * SECOND_MS;) {
        while (pace.take(nowMs) === 0) taken += 1;
        late = (late + 0.7) % 2;
        nowMs += Math.max(1, Math.ceil(pace.waitMs(nowMs))) + late;
      }
      expect(taken).toBeGreaterThanOrEqual(rate * seconds * 0.99);
      expect(taken).toBeLessThanOrEqual(rate * seconds + 1);
    },
  );

  test('the wait it names is enough, also after billions of ms', () => {
    fc.assert(
      fc.property(rates, fc.double({ min: 0, max: 1e6, noNaN: true }), (rate, startMs) => {
        const pace = new Pace(rate);
        let nowMs = startMs;
        for (let round = 0; round < 20; round += 1) {
          const waitMs = pace.take(nowMs);
          nowMs += waitMs;
          if (waitMs > 0) expect(pace.waitMs(nowMs)).toBeLessThan(1e-3);
        }
      }),
    );
  });

  test.each([0.5, 7, 40, 99, 1_000, 2_500, 33_333])(
    'reaches %d/s within one percent with the largest batches, and never above it by more than a burst',
    (rate) => {
      const pace = new Pace(rate);
      const seconds = Math.max(10, Math.ceil(200 / rate));
      const taken: [atMs: number, count: number][] = [];
      let late = 0;
      for (let nowMs = 0; nowMs <= seconds * SECOND_MS;) {
        while (pace.take(nowMs, pace.most) === 0) taken.push([nowMs, pace.most]);
        late = (late + 0.7) % 2;
        nowMs += Math.max(1, Math.ceil(pace.waitMs(nowMs, pace.most))) + late;
      }
      const within = (fromMs: number, toMs: number): number =>
        taken.reduce((sum, [atMs, count]) => sum + (atMs >= fromMs && atMs < toMs ? count : 0), 0);
      expect(within(0, Infinity)).toBeGreaterThanOrEqual(rate * seconds * 0.99 - pace.most);
      for (const [fromMs] of taken.slice(0, 500)) {
        expect(within(fromMs, fromMs + SECOND_MS)).toBeLessThanOrEqual(rate + pace.burst + 1e-6);
      }
    },
  );

  test('a batch waits for all of its tokens, takes them at once, and is never larger than a burst', () => {
    const pace = new Pace(1_000);
    expect(pace.most).toBe(50);
    pace.take(0);
    expect(pace.take(10, 50)).toBeCloseTo(40);
    expect(pace.take(49, 50)).toBeCloseTo(1);
    expect(pace.take(50, 50)).toBe(0);
    expect(pace.take(50)).toBeCloseTo(1);
    expect(() => pace.take(50, 101)).toThrow('more than a burst');
    expect([new Pace(0.5).most, new Pace(39).most, new Pace(40).most, new Pace(Infinity).most]).toEqual([
      1,
      1,
      2,
      Infinity,
    ]);
    expect(new Pace(Infinity).take(0, 1_000)).toBe(0);
  });

  test('a change takes effect at once, and idle time before it counts at the old rate', () => {
    const pace = new Pace(10);
    pace.take(0);
    pace.setRate(1_000, 50);
    expect(pace.takeMany(50, 1_000)).toBe(0);
    expect(pace.takeMany(60, 1_000)).toBe(10);
    pace.takeMany(1_000, 0);
    pace.setRate(10, 1_000);
    expect(pace.takeMany(1_000, 1_000)).toBe(1);
  });

  test('a clock that stepped back goes on from there', () => {
    const pace = new Pace(100);
    pace.take(10_000);
    expect(pace.take(0)).toBeCloseTo(10);
    expect(pace.take(10)).toBe(0);
  });

  test('no limit, and limits that are none', () => {
    expect(new Pace(Infinity).takeMany(0, 500)).toBe(500);
    for (const rate of [0, -1, NaN]) expect(() => new Pace(rate)).toThrow('invalid_request');
    const pace = new Pace(Infinity);
    pace.take(0);
    pace.setRate(10, 60_000);
    expect(pace.take(60_000)).toBeGreaterThan(0);
  });
});
