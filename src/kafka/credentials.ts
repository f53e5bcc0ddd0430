// A site's TLS and SASL as KafkaJS wants them: made anew for each connection, because KafkaJS writes into what it is
// given. Password mechanisms are KafkaJS' own. OAUTHBEARER is not: KafkaJS does not look at the broker's answer and
// takes a refused token for an accepted one; the refusal would show itself as a connection that is lost.
// Invariant: the token is read again at each authentication, and is in nobody's hands afterwards.

import { readFile } from 'node:fs/promises';
import { AccessRefused, tokenRefused, tokenUnreadable } from './access.ts';
import type { SiteConfig } from './site.ts';

/** What KafkaJS hands to a mechanism that is not its own. */
interface Exchange {
  saslAuthenticate(step: {
    request: { encode(): Buffer };
    response: { decode(raw: Buffer): Buffer; parse(answer: Buffer): Buffer };
  }): Promise<unknown>;
}

const LENGTH_BYTES = 4;

export function tlsOf({ tls }: SiteConfig) {
  if (!tls) return {};
  const { ca, cert, key } = tls;
  return {
    ssl: { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) },
  };
}

export function saslOf(site: SiteConfig) {
  const { sasl } = site;
  if (!sasl) return {};
  if (sasl.mechanism === 'oauthbearer') {
    const { tokenFile } = sasl;
    const authenticationProvider = (exchange: Exchange) => ({
      authenticate: () => presentToken(site, tokenFile, exchange),
    });
    return { sasl: { mechanism: 'oauthbearer', authenticationProvider } };
  }
  const { mechanism, username, password } = sasl;
  // KafkaJS has one type per mechanism; ours is one of them.
  return { sasl: { mechanism: mechanism as 'plain', username, password } };
}

async function presentToken(site: SiteConfig, tokenFile: string, exchange: Exchange): Promise<void> {
  const token = await readToken(site, tokenFile);
  const message = Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);
  const answer = await exchange.saslAuthenticate({
    request: { encode: () => withLength(message) },
    response: { decode: (raw) => raw.subarray(LENGTH_BYTES), parse: (bytes) => bytes },
  });
  // RFC 7628: of an accepted token nothing is said; a refused one is answered with the reason.
  if (Buffer.isBuffer(answer) && answer.length > 0) throw new AccessRefused(site, tokenRefused(site));
}

async function readToken(site: SiteConfig, file: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new AccessRefused(site, tokenUnreadable(site, `cannot be read (${code})`));
  }
  if (token.trim() === '') throw new AccessRefused(site, tokenUnreadable(site, 'is empty'));
  return token;
}

function withLength(bytes: Buffer): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeInt32BE(bytes.length, 0);
  return Buffer.concat([head, bytes]);
}
