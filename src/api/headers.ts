// Headers of answers, as the API's description names them. A new one is a row here, and `sends('its-name')` in the
// schema of each route that sends it.

interface Header {
  readonly description: string;
  readonly schema: object;
}

export const HEADERS = {
  'request-id': {
    description: 'Of this request. Name it when you ask those who run the deployment; their log has it.',
    schema: { type: 'string', format: 'uuid' },
  },
  location: {
    description: 'The path of what was made.',
    schema: { type: 'string', format: 'uri-reference', examples: ['/v1/replays/882705129484288003'] },
  },
  'retry-after': {
    description: 'Seconds to wait before the same request is sent again.',
    schema: { type: 'integer', minimum: 0, examples: [1] },
  },
  etag: {
    description:
      'Of this answer: send it as `If-None-Match` to be told 304 while it holds, or as `If-Match` with a change.',
    schema: { type: 'string', examples: ['"v3-4Qk0cZ1vQ2mZ8c7wYb1H0g"'] },
  },
  link: {
    description: 'The next page (RFC 8288), with everything else that was asked for; absent on the last one.',
    schema: { type: 'string', examples: ['</v1/replays?cursor=cmVwbGF5czox>; rel="next"'] },
  },
  'idempotency-replayed': {
    description:
      '`true`: nothing was made; this is the answer to the first request with this Idempotency-Key.',
    schema: { type: 'string', enum: ['true'] },
  },
  'www-authenticate': {
    description: 'How to authenticate.',
    schema: { type: 'string', examples: ['Bearer realm="reprise"'] },
  },
} as const satisfies Record<string, Header>;

export type HeaderName = keyof typeof HEADERS;

/** References to the headers, by name. */
export const headerRefs = (names: readonly HeaderName[]): Record<string, { $ref: string }> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
