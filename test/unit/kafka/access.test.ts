// What is a refusal and what is a broker that goes away: the first has words of ours, the second stays what it is.

import { expect, it } from 'vitest';
import { AccessRefused, accessError } from '../../../src/kafka/access.ts';
import type { Step } from '../../../src/kafka/access.ts';
import type { SiteConfig } from '../../../src/kafka/site.ts';

const bare: SiteConfig = { name: 'dc1', brokers: ['k:9092'], topics: ['a'], settings: 'S_' };
const tls: SiteConfig = { ...bare, tls: { ca: 'PEM', cert: null, key: null } };
const user: SiteConfig = { ...tls, sasl: { mechanism: 'plain', username: 'u', password: 'c4n4ry' } };

const named = (name: string, message: string, code?: string): Error =>
  Object.assign(new Error(message), { name, ...(code === undefined ? {} : { code }) });
const SASL_ERROR = 'KafkaJSSASLAuthenticationError';

it.each<[string, SiteConfig, Step, Error]>([
  [
    'a broker that is not there',
    tls,
    'connect',
    named('KafkaJSConnectionError', 'Connection error: connect ECONNREFUSED', 'ECONNREFUSED'),
  ],
  ['one that does not answer', tls, 'connect', named('KafkaJSConnectionError', 'Connection timeout')],
  [
    'a connection that is lost later',
    user,
    'read',
    named('KafkaJSConnectionClosedError', 'Closed connection'),
  ],
  [
    'one that is reset later',
    tls,
    'read',
    named('KafkaJSConnectionError', 'Connection error: read ECONNRESET', 'ECONNRESET'),
  ],
  [
    'a bare connection that is closed at once',
    bare,
    'connect',
    named('KafkaJSConnectionClosedError', 'Closed connection'),
  ],
  [
    'a connection that is lost with the user',
    user,
    'connect',
    named(SASL_ERROR, 'SASL PLAIN authentication failed: Closed connection'),
  ],
  [
    'a broker that is slow with the user',
    user,
    'connect',
    named(SASL_ERROR, 'SASL PLAIN authentication failed: Request SaslAuthenticate timed out'),
  ],
  [
    'a topic that is not there',
    user,
    'ask',
    named('KafkaJSProtocolError', 'This server does not host this topic-partition'),
  ],
])('%s is no refusal', (_, site, step, error) => {
  expect(accessError(site, error, step)).toBe(error);
});

it('finds the reason below what KafkaJS wraps around it', () => {
  const inner = named(
    'KafkaJSConnectionError',
    'Connection error: certificate has expired',
    'CERT_HAS_EXPIRED',
  );
  const outer = new Error('certificate has expired', { cause: new Error('again', { cause: inner }) });
  const told = accessError(tls, outer, 'read');
  expect(told).toBeInstanceOf(AccessRefused);
  expect(String(told)).toContain('S_TLS_CA_FILE');
});

it('repeats no word of the broker', () => {
  const told = accessError(
    user,
    named(SASL_ERROR, 'SASL PLAIN authentication failed: c4n4ry is wrong'),
    'connect',
  );
  expect(told).toBeInstanceOf(AccessRefused);
  expect(String(told)).not.toContain('c4n4ry');
});
