import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../../src/domain/backoff.ts';
import { DEFAULT_RETRY_POLICY, hintOf, judge, strains } from '../../../src/domain/outcome.ts';
import type { Answer, SendFailure } from '../../../src/domain/sender.ts';
import { parseRetryAfterMs } from '../../../src/webhook/retry-after.ts';

const POLICY = DEFAULT_RETRY_POLICY;
const half = (): number => 0.5;

function answered(status: number, retryAfterMs: number | null = null): Answer {
  return { kind: 'answered', status, retryAfterMs, durationMs: 1 };
}

function unanswered(failure: SendFailure): Answer {
  return { kind: 'unanswered', failure, maybeSent: true, durationMs: 1 };
}

describe('judge', () => {
  test.each([
    [200, 'fine', false],
    [204, 'fine', false],
    [299, 'fine', false],
    [301, 'rejects', false],
    [304, 'rejects', false],
    [307, 'rejects', false],
    [400, 'rejects', false],
    [401, 'rejects', false],
    [404, 'rejects', false],
    [408, 'unavailable', false],
    [410, 'gone', false],
    [422, 'rejects', false],
    [425, 'unavailable', false],
    [429, 'unavailable', true],
    [500, 'unavailable', true],
    [503, 'unavailable', true],
    [599, 'unavailable', true],
  ] as const)('%d: the endpoint is %s, strain: %s', (status, hint, strain) => {
    expect(hintOf(answered(status))).toBe(hint);
    expect(strains(answered(status))).toBe(strain);
    const attempts = hint === 'rejects' ? 3 : 8;
    if (hint === 'fine') {
      expect(judge(answered(status), 99, POLICY, half)).toEqual({ kind: 'delivered' });
      return;
    }
    expect(judge(answered(status), attempts - 1, POLICY, half).kind).toBe('retry');
    expect(judge(answered(status), attempts, POLICY, half)).toEqual({
      kind: 'give_up',
      reason: `http_${status}`,
    });
  });

  test.each(['timeout', 'refused', 'reset', 'dns', 'tls', 'blocked', 'protocol'] as const)(
    '%s: retried, then given up by name',
    (failure) => {
      expect(judge(unanswered(failure), 1, POLICY, half)).toEqual({
        kind: 'retry',
        afterMs: 250,
        slowDownMs: null,
      });
      expect(judge(unanswered(failure), 8, POLICY, half)).toEqual({ kind: 'give_up', reason: failure });
      expect(hintOf(unanswered(failure))).toBe('unavailable');
      expect(strains(unanswered(failure))).toBe(true);
    },
  );

  test('an attempt that we aborted says nothing and is never given up', () => {
    expect(judge(unanswered('aborted'), 1_000, POLICY, half)).toEqual({
      kind: 'retry',
      afterMs: 0,
      slowDownMs: null,
    });
    expect(hintOf(unanswered('aborted'))).toBeNull();
    expect(strains(unanswered('aborted'))).toBe(false);
  });

  test('a stale socket says nothing of the receiver: at once again, but not for ever', () => {
    expect(judge(unanswered('stale'), 7, POLICY, half)).toEqual({
      kind: 'retry',
      afterMs: 0,
      slowDownMs: null,
    });
    expect(judge(unanswered('stale'), 8, POLICY, half)).toEqual({ kind: 'give_up', reason: 'stale' });
    expect(hintOf(unanswered('stale'))).toBeNull();
    expect(strains(unanswered('stale'))).toBe(false);
  });

  test.each([
    [429, 7_000, 7_000],
    [503, 7_000, 7_000],
    [502, 9e9, 300_000],
    [429, null, null],
    [500, 7_000, null],
    [400, 7_000, null],
  ])('%d with Retry-After %j slows the endpoint down for %j', (status, retryAfterMs, slowDownMs) => {
    expect(judge(answered(status, retryAfterMs), 1, POLICY, half)).toMatchObject({
      kind: 'retry',
      slowDownMs,
    });
  });
});

describe('backoffMs', () => {
  test('stays within its bounds and never comes before Retry-After', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.option(fc.double({ min: -1e3, max: 1e12, noNaN: true })),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, retryAfterMs, random) => {
          const ms = backoffMs(attempt, retryAfterMs, POLICY, () => random);
          const asked = Math.min(retryAfterMs ?? 0, POLICY.retryAfterCapMs);
          expect(ms).toBeGreaterThanOrEqual(Math.max(0, asked));
          expect(ms).toBeLessThanOrEqual(Math.max(asked, POLICY.capMs, 0));
        },
      ),
    );
  });

  test('doubles its ceiling with each attempt, with full jitter', () => {
    const ceilings = [1, 2, 3, 8, 20].map((attempt) => backoffMs(attempt, null, POLICY, () => 1));
    expect(ceilings).toEqual([500, 1_000, 2_000, 60_000, 60_000]);
    expect(backoffMs(5, null, POLICY, () => 0)).toBe(0);
  });
});

describe('parseRetryAfterMs', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  test.each([
    [undefined, null],
    ['', null],
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
    ['-1', null],
    ['1.5', null],
    ['soon', null],
    ['2026-01-01T00:01:00Z', null],
    ['99999999999999999999', null],
  ])('%j: %j', (header, ms) => expect(parseRetryAfterMs(header, nowMs)).toBe(ms));
});
