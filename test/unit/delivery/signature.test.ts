import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { decodeSecret, newSecret, sign } from '../../../src/domain/signature.ts';
import type { SigningKey } from '../../../src/domain/signature.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const VECTOR = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: '1614265330',
  body: Buffer.from('{"test": 2432232314}'),
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

describe('sign', () => {
  test("gives the specification's vector", () => {
    expect(sign([decodeSecret(SECRET)], VECTOR.id, VECTOR.timestamp, VECTOR.body)).toBe(VECTOR.signature);
  });

  test('signs once per secret while one rotates', () => {
    const keys = [decodeSecret(newSecret()), decodeSecret(SECRET)];
    const header = sign(keys, VECTOR.id, VECTOR.timestamp, VECTOR.body);
    expect(header.split(' ')).toHaveLength(2);
    expect(header.split(' ')[1]).toBe(VECTOR.signature);
  });

  test.each([0, 1, 16_360, 16_361, 16_384, 16_385, 200_000])(
    'is HMAC-SHA256 of a body of %i bytes',
    (size) => {
      const body = randomBytes(size);
      const key = randomBytes(64);
      const mac = createHmac('sha256', key).update('evt.1614265330.').update(body).digest('base64');
      const secret = decodeSecret(`whsec_${key.toString('base64')}`);
      expect(sign([secret], 'evt', '1614265330', body)).toBe(`v1,${mac}`);
    },
  );

  test('is verified by the reference library, whatever text is sent', () => {
    fc.assert(
      fc.property(fc.json(), fc.stringMatching(/^[\w-]{1,40}$/), (text, id) => {
        const secret = newSecret();
        const seconds = String(Math.floor(Date.now() / 1000));
        const headers = {
          'webhook-id': id,
          'webhook-timestamp': seconds,
          'webhook-signature': sign(
            [decodeSecret(newSecret()), decodeSecret(secret)],
            id,
            seconds,
            Buffer.from(text),
          ),
        };
        expect(new Webhook(secret).verify(text, headers)).toEqual(JSON.parse(text));
        expect(() => new Webhook(newSecret()).verify(text, headers)).toThrow();
      }),
      { numRuns: 50 },
    );
  });
});

describe('decodeSecret', () => {
  test('reads what newSecret writes', () => {
    expect(decodeSecret(newSecret()).bytes).toBe(32);
    expect(newSecret()).not.toBe(newSecret());
    expect(decodeSecret('whsec_' + randomBytes(64).toString('base64')).bytes).toBe(64);
  });

  test.each([
    ['no prefix', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['another prefix', 'whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['empty', 'whsec_'],
    ['no base64', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!'],
    ['a space', ' whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['a cut off end', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA'],
    ['too short', 'whsec_' + randomBytes(23).toString('base64')],
    ['too long', 'whsec_' + randomBytes(65).toString('base64')],
  ])('refuses %s without repeating it', (_what, secret) => {
    const attempt = (): SigningKey => decodeSecret(secret);
    expect(attempt).toThrow('invalid_request');
    expect(attempt).not.toThrow(secret.slice(6, 20) || 'nothing to repeat');
  });
});
