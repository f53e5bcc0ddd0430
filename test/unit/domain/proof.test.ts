// What checks make of a webhook's validity.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterCheck,
  demandsProof,
  explainReason,
  shownValidity,
  UNPROVEN,
} from '../../../src/domain/proof.ts';
import type { ProofPolicy, Validity } from '../../../src/domain/proof.ts';

const policy: ProofPolicy = {
  mode: 'all',
  attempts: 3,
  retryMs: 100,
  intervalMs: { standard: 10_000, x: 1_000 },
};

function checked(reasons: readonly (string | null)[], from: Validity = UNPROVEN): Validity {
  return reasons.reduce(
    (before, reason, at) => afterCheck(before, { atMs: at, reason }, 'x', policy, 0.5),
    from,
  );
}

describe('a webhook', () => {
  test('that passes is valid, and checked again after the interval', () => {
    expect(checked([null])).toEqual({
      state: 'valid',
      failures: 0,
      checks: [{ atMs: 0, reason: null }],
      nextCheckAtMs: 1_000,
    });
  });

  test('that fails is invalid only after so many checks in a row, with growing waits', () => {
    expect(checked([null, 'timeout'])).toMatchObject({ state: 'valid', failures: 1, nextCheckAtMs: 101 });
    expect(checked([null, 'timeout', 'timeout'])).toMatchObject({ state: 'valid', nextCheckAtMs: 202 });
    expect(checked([null, 'timeout', 'timeout', 'dns'])).toMatchObject({
      state: 'invalid',
      failures: 3,
      nextCheckAtMs: 1_003,
    });
    expect(checked([null, 'timeout', 'timeout', null, 'dns', 'dns']).state).toBe('valid');
  });

  test('that was never valid stays unproven meanwhile', () => {
    expect(checked(['timeout', 'timeout']).state).toBe('unproven');
    expect(checked(['timeout', 'timeout', 'timeout']).state).toBe('invalid');
  });

  test('that is invalid comes back by one check, and a failed one changes nothing', () => {
    const invalid = checked(['dns', 'dns', 'dns']);
    expect(checked(['dns'], invalid)).toMatchObject({ state: 'invalid', nextCheckAtMs: 1_000 });
    expect(checked([null], invalid)).toMatchObject({ state: 'valid', failures: 0 });
  });

  test('is checked with some jitter, by the interval of its profile', () => {
    const next = (random: number) =>
      afterCheck(UNPROVEN, { atMs: 0, reason: null }, 'standard', policy, random).nextCheckAtMs;
    expect([next(0), next(1)]).toEqual([9_000, 11_000]);
  });

  test('whose profile need not prove anything is not checked by itself, and shown as unproven', () => {
    const off = afterCheck(UNPROVEN, { atMs: 0, reason: 'dns' }, 'standard', { ...policy, mode: 'x' }, 0.5);
    expect(off.nextCheckAtMs).toBeNull();
    expect(shownValidity(checked(['a', 'b', 'c']), false)).toMatchObject({ state: 'unproven' });
    expect(shownValidity(checked([null]), true).state).toBe('valid');
  });

  test('keeps few checks, is valid exactly after a passed one, and never waits longer than its interval', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(null, 'dns'), { minLength: 1, maxLength: 30 }), (reasons) => {
        const { state, checks, failures, nextCheckAtMs } = checked(reasons);
        const sinceMs = (nextCheckAtMs ?? 0) - (reasons.length - 1);
        const inARow = reasons.length - 1 - reasons.lastIndexOf(null);
        expect(failures).toBe(inARow);
        expect(checks.length).toBe(Math.min(5, reasons.length));
        expect(state === 'invalid').toBe(inARow >= policy.attempts);
        expect(sinceMs).toBeGreaterThan(0);
        expect(sinceMs).toBeLessThanOrEqual(1_100);
      }),
      { endOnFailure: true, includeErrorInReport: true },
    );
  });
});

test.each([
  ['off', false, false],
  ['x', true, false],
  ['all', true, true],
] as const)('mode %s demands proof of x: %s, of standard: %s', (mode, x, standard) => {
  expect([demandsProof(mode, 'x'), demandsProof(mode, 'standard')]).toEqual([x, standard]);
});

test('each reason has a sentence', () => {
  const reasons = [
    'timeout',
    'refused',
    'reset',
    'dns',
    'tls',
    'blocked',
    'protocol',
    'too_long',
    'not_json',
  ];
  for (const reason of [...reasons, 'wrong_response', 'http_500']) {
    expect(explainReason(reason, 'x'), reason).not.toBe('the check failed');
  }
  expect(explainReason('http_302', 'x')).toContain('not followed');
});
