// What a webhook wants on its requests, as clients say it: contentType and headers. Values of headers are write-only,
// because they may be secrets (Authorization): an answer shows their names, each with null. What is allowed is
// domain/fixed-headers.ts; here it becomes schemas and faults.

import { Type } from 'typebox';
import { RepriseError } from '../domain/errors.ts';
import { CONTENT_TYPE, HEADER_LIMITS, MAX_CONTENT_TYPE, headerFaults } from '../domain/fixed-headers.ts';
import type { FixedHeaders } from '../domain/fixed-headers.ts';

const { count, nameLength, valueLength, allBytes } = HEADER_LIMITS;

export const contentTypeField = Type.String({
  maxLength: MAX_CONTENT_TYPE,
  pattern: CONTENT_TYPE,
  description:
    `a media type of at most ${MAX_CONTENT_TYPE} characters: the content-type of a request with one event ` +
    '(default application/json); batches have their own',
  examples: ['application/cloudevents+json'],
});

export const headersField = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: count,
  additionalProperties: { type: 'string' },
  description:
    `an object of at most ${count} headers that go with each request: names of at most ${nameLength} characters, ` +
    `values of at most ${valueLength} printable ASCII characters, ${allBytes} bytes in all; replaced as a whole. ` +
    'Refused: connection, host, user-agent, content-*, proxy-*, reprise-*, webhook-* and other headers of the sender ' +
    'or of one connection. Values are write-only',
  examples: [{ authorization: 'Bearer 5ecret', 'x-tenant': 'acme' }],
});

export const headersShown = Type.Record(Type.String(), Type.Null(), {
  description: 'the names of the fixed headers; null in place of each value, which is never told',
});

/** Throws `invalid_request` with a fault per header that cannot be sent. */
export function headersOf(asked: Readonly<Record<string, string>>): FixedHeaders {
  const headers = Object.entries(asked);
  const faults = headerFaults(headers).map(({ name, detail }) => ({
    pointer: name === null ? '/headers' : `/headers/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    detail,
  }));
  if (faults.length === 0) return headers;
  throw new RepriseError('invalid_request', 'The headers cannot be sent; see errors.', { faults });
}

export const showHeaders = (names: readonly string[]): Record<string, null> =>
  Object.fromEntries(names.map((name) => [name, null]));
