// The checks by which webhooks prove that they know their secret, as they receive them, for the API's description
// (docs/PROOF.md). Invariant: the examples are true: domain/challenge and domain/crc made the answers.

import { Type } from 'typebox';
import { CHALLENGE_TYPE, challengeBody, challengeResponse } from '../domain/challenge.ts';
import { crcQuery, crcResponse, X_SIGNATURE_HEADER, xSignature } from '../domain/crc.ts';
import { decodeSecret } from '../domain/signature.ts';
import { instant, text } from './fields.ts';
import { header, signed } from './received.ts';

/** Of the examples alone: the secret of Standard Webhooks' own documents. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const TOKEN = 'foo';
const NONCE = 'bar';

const DEADLINE = 'Within 3 s, with at most 1 KB; redirects are not followed.';
const FAILED = {
  description: 'Anything else is a failed check; after three in a row the webhook is invalid.',
};

const challenge = Type.Object(
  {
    type: Type.Literal(CHALLENGE_TYPE, { description: 'what this is' }),
    timestamp: instant('when it was asked'),
    data: Type.Object({ challenge: text('random text') }, { description: 'what is asked' }),
  },
  { title: 'Challenge', description: 'asks a webhook of profile standard whether it knows its secret' },
);
const challengeAnswer = Type.Object(
  {
    challenge: Type.String({
      pattern: '^sha256=',
      description:
        '`sha256=` and the base64 HMAC-SHA256 over `webhook.challenge.` and the challenge; the key is what `whsec_` ' +
        'encodes',
    }),
  },
  { title: 'ChallengeAnswer', description: 'what only who knows the secret can answer' },
);
const crcAnswer = Type.Object(
  {
    response_token: Type.String({
      pattern: '^sha256=',
      description:
        '`sha256=` and the base64 HMAC-SHA256 over `crc_token`; the key is the whole secret as text',
    }),
  },
  { title: 'XCrcAnswer', description: 'what only who knows the secret can answer' },
);

const answers = (schema: object, example: object) => ({
  '200': { description: DEADLINE, content: { 'application/json': { schema, example } } },
  default: FAILED,
});

const query = (name: string, description: string, example: string) => ({
  ...header(name, description, example),
  in: 'query',
});

const asked = JSON.parse(challengeBody(TOKEN, Date.UTC(2026, 0, 2)).toString()) as object;

export const CHECKS: Readonly<Record<string, object>> = {
  [CHALLENGE_TYPE]: signed({
    summary: 'The check of a webhook of profile standard',
    description:
      'Verify the signature first, then answer. Before the first delivery, after changes, and on demand.',
    content: { 'application/json': { schema: challenge, example: asked } },
    id: ['A new one for each check.', 'challenge_3f6c1b0e8a52'],
    responses: answers(challengeAnswer, { challenge: challengeResponse(decodeSecret(SECRET), TOKEN) }),
  }),
  crc: {
    get: {
      summary: 'The check of a webhook of profile x: X’s challenge-response check (CRC)',
      description:
        'A GET of the webhook’s URL, whose own query stays. Before the first delivery, after changes, each hour, and ' +
        'on demand.',
      tags: ['deliveries'],
      security: [],
      parameters: [
        query('crc_token', 'Random text.', TOKEN),
        query('nonce', 'Random text.', NONCE),
        header(
          X_SIGNATURE_HEADER,
          '`sha256=` and the base64 HMAC-SHA256 over `crc_token=T&nonce=N`; the key is the whole secret as text.',
          xSignature(SECRET, Buffer.from(crcQuery(TOKEN, NONCE))),
        ),
      ],
      responses: answers(crcAnswer, { response_token: crcResponse(SECRET, TOKEN) }),
    },
  },
};
