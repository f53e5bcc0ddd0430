// The cut: one atomic value over all sources, and the repeat bound that it enforces.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CutTracker } from '../../../src/domain/cut.ts';
import { asSourceName } from '../../../src/domain/ids.ts';

const A = asSourceName('dc1/a');
const B = asSourceName('dc1/b');

function tracker(maxRepeat = 10): CutTracker {
  const cut = new CutTracker(maxRepeat);
  cut.begin(A, 0);
  cut.begin(B, 0);
  return cut;
}

describe('the cut', () => {
  it('names what is owed below next, and forgets what is settled', () => {
    const cut = tracker();
    cut.owe(A, 3, 'x');
    cut.owe(A, 4, 'y');
    cut.advance(A, 5);
    cut.started();
    cut.settled(A, 3);
    expect(cut.take().cut).toEqual({ [A]: { next: 5, owed: [[4, 'y']] }, [B]: { next: 0, owed: [] } });
  });

  it('never falls', () => {
    const cut = tracker();
    cut.advance(A, 5);
    expect(() => {
      cut.advance(A, 4);
    }).toThrow('would fall');
  });

  it('settles only what is owed', () => {
    const cut = tracker();
    cut.started();
    expect(() => {
      cut.settled(A, 1);
    }).toThrow('was not owed');
  });

  it('is one instant: what happens while it is written belongs to the next one', () => {
    const cut = tracker(3);
    for (const offset of [0, 1, 2]) cut.owe(A, offset, `e${offset}`);
    cut.advance(A, 3);
    cut.started();
    cut.settled(A, 0);
    const taken = cut.take();
    cut.started();
    cut.settled(A, 1);
    cut.durable(taken);
    expect(cut.exposed).toBe(1);
    expect(cut.isDirty).toBe(true);
    cut.durable(cut.take());
    expect(cut.exposed).toBe(0);
    expect(cut.isDirty).toBe(false);
  });

  it('lets nothing start once the durable cut does not hold the bound many as settled', () => {
    const cut = tracker(2);
    for (const offset of [0, 1, 2]) cut.owe(A, offset, `e${offset}`);
    cut.started();
    cut.settled(A, 0);
    expect(cut.isDue).toBe(true);
    cut.started();
    expect(cut.mayStart()).toBe(false);
    cut.returned();
    expect(cut.mayStart()).toBe(true);
  });

  it('exposes never more than the bound, in any order of starts, answers and writes', () => {
    const steps = fc.array(fc.constantFrom('start', 'batch', 'settle', 'return', 'take', 'durable'), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 20 }), (sequence, maxRepeat) => {
        const cut = new CutTracker(maxRepeat);
        cut.begin(A, 0);
        let next = 0;
        const flying: number[] = [];
        let durablySettled = 0;
        let settled = 0;
        let taken: { value: ReturnType<CutTracker['take']>; settled: number } | null = null;
        for (const step of sequence) {
          if (step === 'start' && cut.mayStart()) {
            cut.owe(A, next, `e${next}`);
            flying.push(next);
            cut.advance(A, ++next);
            cut.started();
          } else if (step === 'batch' && cut.room > 0) {
            const size = Math.ceil(cut.room / 2);
            expect([cut.mayStart(size), cut.mayStart(cut.room + 1)]).toEqual([true, false]);
            for (let n = 0; n < size; n++) {
              cut.owe(A, next, `e${next}`);
              flying.push(next);
              cut.advance(A, ++next);
            }
            cut.started(size);
          } else if (step === 'settle' && flying.length > 0) {
            cut.settled(A, flying.pop() ?? 0);
            settled++;
          } else if (step === 'return' && flying.length > 0) {
            flying.pop();
            cut.returned();
          } else if (step === 'take') taken = { value: cut.take(), settled };
          else if (step === 'durable' && taken) {
            cut.durable(taken.value);
            durablySettled = Math.max(durablySettled, taken.settled);
          }
          expect(cut.exposed).toBe(flying.length + settled - durablySettled);
          expect(cut.exposed).toBeLessThanOrEqual(maxRepeat);
        }
      }),
    );
  });
});
