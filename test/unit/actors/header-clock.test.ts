import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HeaderClock } from '../../../src/actors/header-clock.ts';

it('says the times that Date says, in any order, also within one second', () => {
  const ms = fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 });
  const close = fc.tuple(ms, fc.array(fc.integer({ min: -1_500, max: 1_500 })));
  fc.assert(
    fc.property(close, ([first, steps]) => {
      const clock = new HeaderClock();
      for (const at of [first, ...steps.map((step) => first + step)]) {
        if (Math.abs(at) > 8.64e15) continue;
        expect(clock.iso(at)).toBe(new Date(at).toISOString());
        expect(clock.seconds(at)).toBe(String(Math.floor(at / 1_000)));
      }
    }),
  );
});
