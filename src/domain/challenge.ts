// The challenge by which a webhook of profile standard proves that it knows its secret. It is asked as a signed
// Standard Webhooks message, and answered with an HMAC of it:
//
//   POST {"type":"webhook.challenge","timestamp":...,"data":{"challenge":C}}
//   200  {"challenge":"sha256=" + base64(HMAC-SHA256(key, "webhook.challenge." + C))}
//
// No plain echo: an endpoint that sends back whatever it is sent would pass it, and anybody's open mirror would be
// a "proven" target. The prefix keeps the answer apart from signatures: they are made over `id.timestamp.body` with the
// same key, and no timestamp is the word "challenge". So a receiver that answers before it has verified who asks cannot
// be used to sign a delivery.

import type { SigningKey } from './signature.ts';

export const CHALLENGE_TYPE = 'webhook.challenge';
const PREFIX = `${CHALLENGE_TYPE}.`;

export function challengeBody(challenge: string, atMs: number): Buffer {
  const timestamp = new Date(atMs).toISOString();
  return Buffer.from(JSON.stringify({ type: CHALLENGE_TYPE, timestamp, data: { challenge } }));
}

/** `key`: of Standard Webhooks, the bytes behind `whsec_` (decodeSecret). */
export const challengeResponse = (key: SigningKey, challenge: string): string =>
  `sha256=${key.mac(PREFIX, Buffer.from(challenge, 'utf8'))}`;
