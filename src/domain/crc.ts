// X's Account Activity signatures: the header of deliveries and the challenge-response check (CRC), for webhooks of
// profile x. Pure: who asks and what follows from an answer is elsewhere.
// The key is X's "consumer secret", which X's clients use as the text that it is. So here it is the whole secret as
// its owner was told it, `whsec_` included, in UTF-8; Standard Webhooks signs with the bytes that its base64 decodes to.
// Vectors: test/unit/domain/crc.test.ts and docs/PROOF.md.

import { hash } from 'node:crypto';
import { SigningKey } from './signature.ts';

/** Carried by deliveries (over the raw body) and by the GET of a CRC (over its query, see crcQuery). */
export const X_SIGNATURE_HEADER = 'x-twitter-webhooks-signature';

const BLOCK_BYTES = 64;
const NO_BODY = Buffer.alloc(0);

/** The key of a secret of any form. HMAC (RFC 2104) hashes a key that is longer than its block first. */
export function xKey(secret: string): SigningKey {
  const bytes = Buffer.from(secret, 'utf8');
  return new SigningKey(bytes.length > BLOCK_BYTES ? hash('sha256', bytes, 'buffer') : bytes);
}

/** `sha256=<base64>` over a raw body. `hasRoom`: SIGNING_ROOM bytes before it may be written (signature.ts). */
export function xSignature(secret: string | SigningKey, body: Buffer, hasRoom = false): string {
  const key = typeof secret === 'string' ? xKey(secret) : secret;
  return `sha256=${key.mac('', body, hasRoom)}`;
}

/** What a CRC adds to the URL's own query, and what its GET's header signs. Both are text that a URL needs not encode. */
export const crcQuery = (token: string, nonce: string): string => `crc_token=${token}&nonce=${nonce}`;

/** The `response_token` that only who knows the secret can answer. */
export const crcResponse = (secret: string, token: string): string =>
  `sha256=${xKey(secret).mac(token, NO_BODY)}`;
