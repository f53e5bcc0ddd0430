// One check as a request: what is sent to a webhook of each profile and which answer proves it. Pure; the random
// parts are given. An answer proves nothing unless its body is a small JSON object with exactly the expected text.

import { challengeBody, challengeResponse } from './challenge.ts';
import { crcQuery, crcResponse, X_SIGNATURE_HEADER, xSignature } from './crc.ts';
import type { ProofTask } from './proof.ts';
import { decodeSecret, sign } from './signature.ts';

/** Bytes of an answer's body that are read at most. */
export const ANSWER_BYTES = 1_024;

export interface ProofRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer | null;
  readonly answer: { readonly field: string; readonly value: string };
}

/** `token`, `nonce`: random, of base64url's characters. */
export function proofRequest(
  { profile, url, secret, headers: fixed }: Pick<ProofTask, 'profile' | 'url' | 'secret' | 'headers'>,
  { token, nonce, atMs }: { readonly token: string; readonly nonce: string; readonly atMs: number },
): ProofRequest {
  const { pathname, search } = new URL(url);
  if (profile === 'x') {
    const query = crcQuery(token, nonce);
    return {
      method: 'GET',
      path: `${pathname}${search === '' ? '?' : `${search}&`}${query}`,
      headers: [
        ...['user-agent', 'Reprise', X_SIGNATURE_HEADER, xSignature(secret, Buffer.from(query))],
        ...fixed.flat(),
      ],
      body: null,
      answer: { field: 'response_token', value: crcResponse(secret, token) },
    };
  }
  const key = decodeSecret(secret);
  const body = challengeBody(token, atMs);
  const id = `challenge_${nonce}`;
  const seconds = String(Math.floor(atMs / 1_000));
  return {
    method: 'POST',
    path: `${pathname}${search}`,
    headers: [
      ...['content-type', 'application/json', 'user-agent', 'Reprise'],
      ...[
        'webhook-id',
        id,
        'webhook-timestamp',
        seconds,
        'webhook-signature',
        sign([key], id, seconds, body),
      ],
      ...fixed.flat(),
    ],
    body,
    answer: { field: 'challenge', value: challengeResponse(key, token) },
  };
}

/** Why this body does not prove it; null when it does. */
export function faultOfAnswer(body: string, { field, value }: ProofRequest['answer']): string | null {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return 'not_json';
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'not_json';
  return (given as Record<string, unknown>)[field] === value ? null : 'wrong_response';
}
