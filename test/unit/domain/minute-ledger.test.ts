// The minute ledger: order-free, mergeable, exact across writes that fail.

import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/identity.ts';
import { MinuteLedger } from '../../../src/domain/minute-ledger.ts';

const event = fc.record({
  at: fc.integer({ min: 0, max: 600_000 }),
  id: fc.string({ minLength: 1, maxLength: 8 }),
});

describe('the minute ledger', () => {
  it('sums SHA-256 of the ids per minute, modulo 2^256', () => {
    const ledger = new MinuteLedger();
    ledger.delivered(60_000, digestOf('a'));
    ledger.delivered(119_999, digestOf('b'));
    ledger.deadLettered(120_000, digestOf('c'));
    const digest = (...ids: string[]): string => {
      const sum =
        ids.reduce((total, id) => total + BigInt(`0x${hash('sha256', id, 'hex')}`), 0n) % 2n ** 256n;
      return sum.toString(16).padStart(64, '0');
    };
    const none = '0'.repeat(64);
    expect(ledger.entries()).toEqual([
      {
        minute: 1,
        delivered: 2,
        deliveredDigest: digest('a', 'b'),
        deadLettered: 0,
        deadLetteredDigest: none,
      },
      { minute: 2, delivered: 0, deliveredDigest: none, deadLettered: 1, deadLetteredDigest: digest('c') },
    ]);
  });

  it('comes to the same whatever the order, also when it is taken up again half way', () => {
    fc.assert(
      fc.property(fc.array(event), fc.nat(), (events, split) => {
        const one = new MinuteLedger();
        for (const { at, id } of events) one.delivered(at, digestOf(id));
        const half = split % (events.length + 1);
        const first = new MinuteLedger();
        for (const { at, id } of events.slice(half)) first.delivered(at, digestOf(id));
        const second = new MinuteLedger(first.entries());
        for (const { at, id } of events.slice(0, half)) second.delivered(at, digestOf(id));
        expect(second.entries()).toEqual(one.entries());
      }),
    );
  });

  it('refuses what is no digest, which would spoil the sum', () => {
    expect(() => {
      new MinuteLedger().delivered(0, 'evt_1');
    }).toThrow(RangeError);
  });

  it('tells the touched minutes once, and again when their write failed', () => {
    const ledger = new MinuteLedger();
    ledger.delivered(0, digestOf('a'));
    const touched = ledger.takeTouched();
    expect(touched).toHaveLength(1);
    expect(ledger.takeTouched()).toHaveLength(0);
    ledger.delivered(1, digestOf('b'));
    ledger.untake(touched);
    expect(ledger.takeTouched()).toEqual(ledger.entries());
  });
});
