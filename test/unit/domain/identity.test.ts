// Which records are copies of one event, and what is sent as its id.

import { describe, expect, it } from 'vitest';
import { identify } from '../../../src/domain/identity.ts';
import { isId, newId } from '../../../src/domain/ids.ts';

const value = Buffer.from('{"a":1}');

describe('the identity of an event', () => {
  it('is its event-id header, whatever the value', () => {
    const one = identify(Buffer.from('evt_1'), value, 1, 'value');
    expect(one.eventId).toBe('evt_1');
    expect(identify(Buffer.from('evt_1'), Buffer.from('other'), 2, 'value')).toEqual(one);
    expect(one.identity).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  it('is the value without a header, with the time where equal events are meant twice', () => {
    expect(identify(null, value, 1, 'value')).toEqual(identify(null, value, 2, 'value'));
    expect(identify(null, value, 1, 'value+time')).toEqual(
      identify(null, Buffer.from(value), 1, 'value+time'),
    );
    expect(identify(null, value, 1, 'value+time')).not.toEqual(identify(null, value, 2, 'value+time'));
  });

  it.each([
    ['a newline', 'a\nb'],
    ['a space', 'a b'],
    ['300 characters', 'x'.repeat(300)],
    ['umlauts', 'ä'],
  ])('of an id with %s is its hash, which can be sent', (_name, id) => {
    const { eventId } = identify(Buffer.from(id), value, 1, 'value');
    expect(eventId).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
    expect(identify(Buffer.from(id), Buffer.from('x'), 9, 'value').eventId).toBe(eventId);
  });

  it('takes an empty header for none', () => {
    expect(identify(Buffer.alloc(0), value, 1, 'value')).toEqual(identify(null, value, 1, 'value'));
  });
});

describe('ids', () => {
  it('are decimal, below 2^63 and rise with time', () => {
    const early = newId(Date.UTC(2026, 0, 1));
    const late = newId(Date.UTC(2060, 0, 1));
    expect(isId(early)).toBe(true);
    expect(isId(late)).toBe(true);
    expect(BigInt(early)).toBeLessThan(BigInt(late));
    expect(BigInt(early)).toBeGreaterThan(10n ** 15n);
  });

  it.each(['', '-1', '01', '1.5', '9223372036854775808', 'abc', '1e3', ' 1'])('are not %j', (text) => {
    expect(isId(text)).toBe(false);
  });
});
