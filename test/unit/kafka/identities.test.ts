// Many identities and digests at once are what domain/identity.ts says of each alone; jobs that run have stored them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, identityOf } from '../../../src/domain/identity.ts';
import { Identities } from '../../../src/kafka/identities.ts';

const identities = new Identities();
const told = (ids: readonly string[]): string => Buffer.from(identities.of(ids)).toString('latin1');
const expected = (ids: readonly string[]): string =>
  ids.map((id) => `${identityOf(id)}${digestOf(id)}${id}`).join('');
const SIGNS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

describe('Identities', () => {
  it('are known ones', () => {
    const digest = Buffer.from('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'hex');
    expect(told(['abc'])).toBe(`ungWv48Bz-pBQUDeXa4iI7${digest.toString('latin1')}abc`);
    expect(told([])).toBe('');
  });

  it('are those of ids of any length', () => {
    const ids = Array.from({ length: 128 }, (_, i) => SIGNS.repeat(3).slice(i % 7, (i % 7) + i + 1));
    expect(told(ids)).toBe(expected(ids));
    for (const id of ids) expect(told([id])).toBe(expected([id]));
  });

  it('are those of any ids, however many, whatever was asked before', () => {
    const sign = fc.constantFrom(...SIGNS.split(/(?:)/));
    const id = fc.string({ unit: sign, minLength: 1, maxLength: 128 });
    const short = fc.string({ unit: sign, minLength: 1, maxLength: 56 });
    fc.assert(
      fc.property(fc.array(fc.oneof(id, short, short), { maxLength: 40 }), (ids) => {
        expect(told(ids)).toBe(expected(ids));
      }),
    );
    const many = Array.from({ length: 1_700 }, (_, i) => `${SIGNS.slice(i % 60)}${i}`);
    expect(told(many)).toBe(expected(many));
  });

  it('refuses an id that no event has', () => {
    expect(() => identities.of(['x'.repeat(129)])).toThrow(RangeError);
  });
});
