import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMillis, formatSeconds, parseMinute, spanOf } from '../../../../src/api/x/dates.ts';

const PROPERTY = { endOnFailure: true, includeErrorInReport: true };

/** Knows nothing of Date: counts days, character by character. */
function naive(text: string): number | null {
  if (text.length !== 12) return null;
  let digits = 0;
  for (const letter of text) if ('0123456789'.includes(letter)) digits++;
  if (digits !== 12) return null;
  const at = (from: number, to: number) => Number(text.slice(from, to));
  const [year, month, day, hour, minute] = [at(0, 4), at(4, 6), at(6, 8), at(8, 10), at(10, 12)];
  const isLeap = (y: number) => y % 400 === 0 || (y % 4 === 0 && y % 100 !== 0);
  const lengths = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  const length = lengths[month - 1];
  if (length === undefined || day < 1 || day > length || hour > 23 || minute > 59) return null;
  let days = day - 1;
  for (const full of lengths.slice(0, month - 1)) days += full;
  const leapsBefore = (y: number) => Math.ceil(y / 4) - Math.ceil(y / 100) + Math.ceil(y / 400);
  days += year * 365 + leapsBefore(year) - (1970 * 365 + leapsBefore(1970));
  return ((days * 24 + hour) * 60 + minute) * 60_000;
}

const two = (min: number, max: number) =>
  fc.integer({ min, max }).map((value) => String(value).padStart(2, '0'));
const year = fc.oneof(
  fc.integer({ min: 0, max: 9999 }),
  fc.constantFrom(0, 1, 99, 1900, 1970, 2000, 2024, 2025, 2100, 2400, 9999),
);
const near = fc
  .tuple(
    year.map((value) => String(value).padStart(4, '0')),
    two(0, 13),
    fc.oneof(two(0, 32), two(28, 31)),
    two(0, 25),
    two(0, 61),
  )
  .map((parts) => parts.join(''));
/** One character of it is another one: a space, a sign, a digit of another script. */
const spoilt = fc
  .tuple(near, fc.nat(12), fc.constantFrom(' ', '\n', '\t', '-', '+', '.', 'e', '٣', '３', '߁', '\u00a0', ''))
  .map(([text, at, odd]) => text.slice(0, at) + odd + text.slice(at + 1));

describe('a minute', () => {
  it('is what a naive reader takes it for', () => {
    fc.assert(
      fc.property(fc.oneof(near, spoilt, fc.string({ maxLength: 14 })), (text) => {
        expect(parseMinute(text)).toBe(naive(text));
      }),
      { ...PROPERTY, numRuns: 5000 },
    );
  });

  it.each([
    ['202402290000', '2024-02-29T00:00:00.000Z'],
    ['240002290000', '2400-02-29T00:00:00.000Z'],
    ['000002290000', '0000-02-29T00:00:00.000Z'],
    ['999912312359', '9999-12-31T23:59:00.000Z'],
  ])('%s exists', (text, instant) => {
    expect(new Date(parseMinute(text) ?? NaN).toISOString()).toBe(instant);
  });

  it.each([
    '210002290000',
    '202502290000',
    '202504310000',
    '202504240000\n',
    ' 02504240000',
    '２０２５０４２４００００',
  ])('%j does not', (text) => {
    expect(parseMinute(text)).toBeNull();
  });
});

it('answers are in whole seconds or milliseconds', () => {
  const ms = Date.parse('2016-06-02T23:54:02.999Z');
  expect([formatSeconds(ms), formatMillis(ms)]).toEqual(['2016-06-02T23:54:02Z', '2016-06-02T23:54:02.999Z']);
});

it('a span is said in the largest unit that it fills', () => {
  const spans = [432_000_000, 86_400_000, 90_000_000, 5_400_000, 60_000].map(spanOf);
  expect(spans).toEqual(['5 days', '1 day', '25 hours', '90 minutes', '1 minute']);
});
