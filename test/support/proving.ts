// A receiver's own side of a check, written from docs/PROOF.md alone: nothing of the product computes here.

import { createHmac } from 'node:crypto';
import type { Received, ScriptedAnswer } from './receiver.ts';

/** The right answer with this secret; null when the request is no check. */
export function proofAnswer(request: Received, secret: string): ScriptedAnswer | null {
  const token = new URL(request.path, 'http://receiver').searchParams.get('crc_token');
  if (token !== null) {
    const hmac = createHmac('sha256', secret).update(token).digest('base64');
    return json({ response_token: `sha256=${hmac}` });
  }
  const challenge = challengeOf(request);
  if (challenge === null) return null;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const hmac = createHmac('sha256', key).update(`webhook.challenge.${challenge}`).digest('base64');
  return json({ challenge: `sha256=${hmac}` });
}

export const isCheck = (request: Received): boolean =>
  request.path.includes('crc_token=') || challengeOf(request) !== null;

function challengeOf({ body }: Received): string | null {
  if (!body?.includes('"webhook.challenge"')) return null;
  return (JSON.parse(body.toString()) as { data: { challenge: string } }).data.challenge;
}

const json = (body: unknown): ScriptedAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
