// The form in which the API's description tells requests of ours that webhooks receive (OpenAPI's `webhooks`): headers
// of a signed message, and what the receiver's answer means. What is sent is in deliveries.ts, completion-received.ts
// and checks-received.ts.

import { X_SIGNATURE_HEADER } from '../domain/crc.ts';

export interface Received {
  readonly summary: string;
  readonly description: string;
  /** Of the body, by media type. */
  readonly content: Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;
  /** Headers beside the signature's. */
  readonly headers?: readonly object[];
  /** What is in `webhook-id`. */
  readonly id: readonly [meaning: string, example: string];
  readonly responses: Readonly<Record<string, object>>;
}

export const header = (name: string, description: string, example: string, required = true) => ({
  name,
  in: 'header',
  required,
  description,
  schema: { type: 'string' },
  example,
});

export const X_SIGNATURE = header(
  X_SIGNATURE_HEADER,
  'Of webhooks of profile `x` alone: `sha256=` and the base64 HMAC-SHA256 over the raw body; the key is the whole ' +
    'secret as text, `whsec_` included.',
  'sha256=Hlco0COzwYOsSzVcCoqAGpNZdK3BYQku/gWz9SSGVjA=',
  false,
);

const signature = (idMeaning: string, id: string) => [
  header('webhook-id', idMeaning, id),
  header(
    'webhook-timestamp',
    'Seconds since 1970 of this attempt; refuse what is older than 5 minutes.',
    '1795179618',
  ),
  header(
    'webhook-signature',
    'Space-separated `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; the key is what `whsec_` encodes. One ' +
      'that fits is enough.',
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  ),
];

/** One kind of request that a webhook receives: POSTed, and signed as in Standard Webhooks 1.0.0. */
export function signed({ summary, description, content, headers = [], id, responses }: Received): object {
  return {
    post: {
      summary,
      description,
      tags: ['deliveries'],
      security: [],
      parameters: [...signature(...id), ...headers],
      requestBody: { required: true, content },
      responses,
    },
  };
}
