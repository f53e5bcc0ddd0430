// X's vectors, and that the key may have any length.

import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { challengeBody, challengeResponse } from '../../../src/domain/challenge.ts';
import { crcQuery, crcResponse, xKey, xSignature } from '../../../src/domain/crc.ts';
import { faultOfAnswer, proofRequest } from '../../../src/domain/proof-request.ts';
import { decodeSecret, newSecret, SIGNING_ROOM } from '../../../src/domain/signature.ts';

const SECRET = 'consumer-secret';

describe("X's signatures", () => {
  test('answer a CRC', () => {
    expect(crcResponse(SECRET, 'foo')).toBe('sha256=DcTy7IecOE1nIXA5KRcZ3lAsoNWL9GefbVQ+nWXIK0Q=');
  });

  test('sign the query of a CRC', () => {
    const query = crcQuery('foo', 'bar');
    expect(query).toBe('crc_token=foo&nonce=bar');
    expect(xSignature(SECRET, Buffer.from(query))).toBe(
      'sha256=7+iRwwUSNAOPvc+rvy6yPKb3cd0pKCekD7UHhSkX3hk=',
    );
  });

  test('sign a body, by the secret or its key', () => {
    const body = Buffer.from('{"for_user_id":"1"}');
    const signature = 'sha256=Hlco0COzwYOsSzVcCoqAGpNZdK3BYQku/gWz9SSGVjA=';
    expect(xSignature(SECRET, body)).toBe(signature);
    expect(xSignature(xKey(SECRET), body)).toBe(signature);
  });

  test.each([0, 1, 16_384, 16_385, 100_000])('sign %i bytes, with room before them or without', (size) => {
    const secret = newSecret();
    const room = Buffer.alloc(SIGNING_ROOM + size, 7);
    const body = room.subarray(SIGNING_ROOM);
    const expected = `sha256=${createHmac('sha256', secret).update(body).digest('base64')}`;
    expect(xSignature(secret, body)).toBe(expected);
    expect(xSignature(secret, body, true)).toBe(expected);
  });

  test.each([1, 63, 64, 65, 94, 300])('use a secret of %i bytes as it is written', (length) => {
    const secret = 'ü'.repeat(Math.floor(length / 2)) + 'x'.repeat(length % 2);
    const expected = createHmac('sha256', Buffer.from(secret)).update('foo').digest('base64');
    expect(crcResponse(secret, 'foo')).toBe(`sha256=${expected}`);
  });
});

describe('the challenge of a webhook of profile standard', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

  test('is answered with an HMAC that no delivery carries', () => {
    // openssl: printf 'webhook.challenge.foo' | openssl dgst -sha256 -mac HMAC -macopt hexkey:... -binary | base64
    expect(challengeResponse(decodeSecret(secret), 'foo')).toBe(
      'sha256=sH6zV68bPfnCjaDU9vf6angSXFxI3F+v9dfYy++p//4=',
    );
  });

  test('has a body of a Standard Webhooks message', () => {
    expect(challengeBody('foo', Date.UTC(2026, 0, 2)).toString()).toBe(
      '{"type":"webhook.challenge","timestamp":"2026-01-02T00:00:00.000Z","data":{"challenge":"foo"}}',
    );
  });
});

describe('a check', () => {
  const random = { token: 'tok', nonce: 'non', atMs: 1_700_000_000_500 };

  test.each([
    ['https://a.example/hook', '/hook?crc_token=tok&nonce=non'],
    ['https://a.example', '/?crc_token=tok&nonce=non'],
    ['https://a.example/h?a=1&b=%20', '/h?a=1&b=%20&crc_token=tok&nonce=non'],
    ['https://a.example/h?#x', '/h?crc_token=tok&nonce=non'],
  ])("of %s by X's CRC keeps the URL's own query", (url, path) => {
    const request = proofRequest({ profile: 'x', url, secret: SECRET, headers: [] }, random);
    expect(request).toMatchObject({
      method: 'GET',
      path,
      body: null,
      answer: { field: 'response_token', value: crcResponse(SECRET, 'tok') },
    });
  });

  const answer = { field: 'challenge', value: 'right' };
  test.each([
    ['{"challenge":"right"}', null],
    ['{"challenge":"right","more":1}', null],
    ['{"challenge":"wrong"}', 'wrong_response'],
    ['{"response_token":"right"}', 'wrong_response'],
    ['{"challenge":["right"]}', 'wrong_response'],
    ['"right"', 'not_json'],
    ['["right"]', 'not_json'],
    ['null', 'not_json'],
    ['', 'not_json'],
    ['right', 'not_json'],
  ])('takes %s for %s', (body, reason) => {
    expect(faultOfAnswer(body, answer)).toBe(reason);
  });
});
