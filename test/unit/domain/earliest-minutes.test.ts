import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EarliestMinutes } from '../../../src/domain/earliest-minutes.ts';
import { identityOf } from '../../../src/domain/identity.ts';
import { isInRuns, runsOf } from '../../../src/domain/minute-ledger.ts';

/** 128 of the 132 that the characters hold. */
const bits = (identity: string): string => Buffer.from(identity, 'base64url').toString('hex');

describe('the earliest minutes', () => {
  it('are those of a map, whatever the order, and give each identity of a run once', () => {
    const seen = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 50 })), {
      maxLength: 2_000,
      size: 'max',
    });
    const minutes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 20 });
    fc.assert(
      fc.property(seen, minutes, (sightings, wanted) => {
        const earliest = new EarliestMinutes();
        const map = new Map<string, number>();
        for (const [id, minute] of sightings) {
          const identity = identityOf(`e${id}`);
          expect(earliest.see(identity, minute)).toBe(map.get(identity) ?? null);
          map.set(identity, Math.min(minute, map.get(identity) ?? Infinity));
        }
        expect(earliest.size).toBe(map.size);
        const expected = [...map]
          .filter(([, minute]) => wanted.includes(minute))
          .map(([identity]) => identity);
        expect([...earliest.within(runsOf(wanted))].map(bits).toSorted()).toEqual(
          expected.map(bits).toSorted(),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('refuse what is no identity', () => {
    expect(() => new EarliestMinutes().see('short', 1)).toThrow('22 base64url');
  });
});

describe('runs of minutes', () => {
  it('are sorted and apart, and hold what they were made of', () => {
    expect(runsOf([7, 3, 4, 4, 5, 9])).toEqual([
      [3, 6],
      [7, 8],
      [9, 10],
    ]);
    expect(runsOf([])).toEqual([]);
    const runs = runsOf([3, 5]);
    expect([2, 3, 4, 5, 6].filter((minute) => isInRuns(runs, minute))).toEqual([3, 5]);
  });
});
