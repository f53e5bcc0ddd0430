import { describe, expect, it } from 'vitest';
import { checkRange, formatInstant, parseInstant } from '../../../src/api/range.ts';

const NOW = Date.UTC(2026, 5, 15, 12);
const DAY_MS = 86_400_000;
const LOOKBACK_MS = 5 * DAY_MS;
const at = (ms: number) => formatInstant(NOW + ms);

describe('an instant', () => {
  it.each([
    ['2026-01-31T09:30:00Z', Date.UTC(2026, 0, 31, 9, 30)],
    ['2026-01-31t09:30:00z', Date.UTC(2026, 0, 31, 9, 30)],
    ['2026-01-31T10:30:00.25+01:00', Date.UTC(2026, 0, 31, 9, 30, 0, 250)],
    ['2026-01-31T00:30:00-09:30', Date.UTC(2026, 0, 31, 10)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2026-01-31T23:59:59.9999Z', Date.UTC(2026, 1, 1)],
    ['2026-01-31T00:00:00.000000001Z', Date.UTC(2026, 0, 31) + 1],
  ])('%s is read', (text, ms) => expect(parseInstant(text)).toBe(ms));

  it.each([
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00',
    '2026-01-01 00:00:00Z',
    '2026-01-01',
    '1767225600000',
    ' 2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z\n',
    '',
  ])('%j is refused', (text) => expect(parseInstant(text)).toBeNull());
});

describe('a range', () => {
  const check = (from: string, to: string) => checkRange(from, to, NOW, LOOKBACK_MS);
  const pointers = (from: string, to: string) => {
    const checked = check(from, to);
    return checked.ok ? [] : checked.faults.map(({ pointer }) => pointer);
  };

  it('passes on its edges', () => {
    expect(check(at(-LOOKBACK_MS), at(5000))).toEqual({
      ok: true,
      fromMs: NOW - LOOKBACK_MS,
      toMs: NOW + 5000,
    });
    expect(check(at(-1), at(0))).toEqual({ ok: true, fromMs: NOW - 1, toMs: NOW });
  });

  it.each([
    ['empty', at(-1), at(-1), ['/to']],
    ['backwards', at(-1), at(-2), ['/to']],
    ['too old', at(-LOOKBACK_MS - 1), at(-1), ['/from']],
    ['ending too late', at(-1), at(5001), ['/to']],
    ['beginning in the future', at(1), at(2), ['/from']],
    ['no times at all', 'yesterday', 'today', ['/from', '/to']],
    ['wrong at both ends', at(-LOOKBACK_MS - 1), at(DAY_MS), ['/from', '/to']],
  ])('%s is refused', (_name, from, to, expected) => expect(pointers(from, to)).toEqual(expected));
});
