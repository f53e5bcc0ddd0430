// What a webhook may set on its requests: nothing that HTTP, the sender or the signature owns, nothing that the sender
// would refuse later.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADER_LIMITS, headerFaults, isContentType } from '../../../src/domain/fixed-headers.ts';
import { RequestHead } from '../../../src/webhook/request-head.ts';

const faultsOf = (name: string, value = 'v'): readonly string[] =>
  headerFaults([[name, value]]).map(({ detail }) => detail);

describe('a fixed header', () => {
  it.each(['authorization', 'X-Tenant', 'cookie', 'traceparent', 'x.y_z~1', 'date', 'accept', '__proto__'])(
    '%s may be set',
    (name) => {
      expect(faultsOf(name)).toEqual([]);
    },
  );

  it.each([
    ...['Host', 'content-length', 'Content-Type', 'content-encoding', 'Transfer-Encoding', 'connection'],
    ...['keep-alive', 'TE', 'trailer', 'upgrade', 'proxy-authorization', 'Proxy-Connection', 'expect'],
    ...['webhook-id', 'Webhook-Signature', 'reprise-job-id', 'Reprise-Whatever', 'user-agent'],
    ...['X-Twitter-Webhooks-Signature', 'http2-settings'],
    ...['', 'a b', 'a:', 'ä', 'a\r\nb', 'a'.repeat(65)],
  ])('%j may not', (name) => {
    expect(faultsOf(name)).toHaveLength(1);
  });

  it.each(['v', 'a b', 'a\tb', '!', '~'.repeat(2_048), 'Bearer abc=='])('has the value %j', (value) => {
    expect(faultsOf('x', value)).toEqual([]);
  });

  it.each(['', ' v', 'v ', '\tv', 'a\r\nx-evil: 1', 'a\nb', 'é', '\u0000', '\u007f', 'v'.repeat(2_049)])(
    'has not the value %j, and does not repeat it',
    (value) => {
      const [fault = ''] = faultsOf('x', value);
      expect(fault).toContain('has no value that can be sent');
      if (value.trim().length > 1) expect(fault).not.toContain(value);
    },
  );

  it('is there once, whatever its case, and not too many nor too long together', () => {
    const several = (count: number, length = 1): [string, string][] =>
      Array.from({ length: count }, (_, n) => [`x-${n}`, 'v'.repeat(length)]);
    expect(headerFaults(several(HEADER_LIMITS.count))).toEqual([]);
    expect(headerFaults(several(HEADER_LIMITS.count + 1))).toMatchObject([{ name: null }]);
    expect(headerFaults(several(2, 2_044))).toEqual([]);
    expect(headerFaults(several(2, 2_046))).toMatchObject([{ name: null }]);
    expect(
      headerFaults([
        ['x-a', '1'],
        ['X-A', '2'],
      ]),
    ).toMatchObject([{ name: 'X-A' }]);
  });

  it('that may be set is one that the sender sends', () => {
    const head = new RequestHead(new URL('http://receiver.test/hook'));
    const any = fc.oneof(fc.string({ maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 3 }));
    let allowed = 0;
    fc.assert(
      fc.property(any, any, (name, value) => {
        if (faultsOf(name, value).length > 0) return;
        allowed++;
        expect(head.of([name, value], 0)).toContain(`\r\n${name}: ${value}\r\n`);
      }),
      { numRuns: 5_000, endOnFailure: true, includeErrorInReport: true },
    );
    expect(allowed).toBeGreaterThan(100);
  });
});

describe('a content type', () => {
  it.each([
    'application/json',
    'application/cloudevents+json; charset=utf-8',
    'text/plain;charset="utf-8"',
    'a/b; c=d;e="f g"',
  ])('may be %s', (type) => {
    expect(isContentType(type)).toBe(true);
  });

  it.each([
    '',
    'json',
    'a/',
    '/b',
    'a/b;',
    'a/b; c',
    'a/b\r\nx: y',
    'a/b c',
    'a/b; c="d',
    `a/${'b'.repeat(130)}`,
  ])('may not be %j', (type) => {
    expect(isContentType(type)).toBe(false);
  });
});
