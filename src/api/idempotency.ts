// `Idempotency-Key` for POSTs that create. To use it at a route, three lines:
//
//   const { headers, preHandler, once } = idempotency(options);
//   app.post(path, { preHandler, schema: { ..., headers } }, async (request, reply) => {
//     const made = await store.create(..., once(request, reply, { status: 201, location, show }));
//
// and `onceInTransaction` instead of `inTransaction` in the store. Owned here: what makes two requests the same, and
// answering a repeat as the first one was answered. Refused: keeping anything; the store does, with what it creates.
// A repeat is answered before any rule of the route is asked: a range that was young enough yesterday is not judged
// anew. Invariant: what `show` gives is kept in clear, so it has no secret; a repeat is not told one.

import { hash, randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { keyMismatch, type Once } from '../domain/once.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';

export interface Idempotency {
  readonly store: Pick<ReplayStore, 'usedKey'>;
  readonly idempotencyKeepMs: number;
}

/** How a value that was made is answered. */
export interface AnswerOf<Value> {
  readonly status: number;
  readonly location: (value: Value) => string;
  readonly show: (value: Value) => object;
}

/** Of a reply: its route's own serializer, so that a repeat gets the same bytes. */
interface Serializing {
  serializeInput(input: Record<string, unknown>, httpStatus: string): unknown;
}

const KEY = 'idempotency-key';
const REPLAYED = 'idempotency-replayed';

const headers = Type.Object({
  [KEY]: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description:
        '1 to 255 visible ASCII characters, a new one for each thing to make: the same request sent again with it ' +
        'makes nothing and gets the first answer, with the header `Idempotency-Replayed: true`',
    }),
  ),
});

export function idempotency({ store, idempotencyKeepMs: keepMs }: Idempotency) {
  return {
    headers,
    /** Answers a repeat; lets a first request pass. Throws RepriseError `idempotency_mismatch`. */
    preHandler: async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const key = keyOf(request);
      if (key === null) return undefined;
      const used = await store.usedKey(principalOf(request).tenant, key);
      if (!used) return undefined;
      if (used.requestHash !== hashOf(request)) throw keyMismatch();
      const { status, location, body } = used.answer;
      if (location !== null) reply.header('location', location);
      return reply
        .code(status)
        .header(REPLAYED, 'true')
        .type('application/json; charset=utf-8')
        .serializer(String)
        .send(body);
    },
    /** For the store's verb that creates; null when no key was sent. */
    once: <Value>(
      request: FastifyRequest,
      reply: Serializing,
      { status, location, show }: AnswerOf<Value>,
    ): Once<Value> | null => {
      const key = keyOf(request);
      if (key === null) return null;
      return {
        tenant: principalOf(request).tenant,
        key,
        requestHash: hashOf(request),
        tag: randomBytes(16).toString('base64url'),
        keepMs,
        answer: (value) => ({
          status,
          location: location(value),
          body: String(reply.serializeInput(show(value) as Record<string, unknown>, String(status))),
        }),
      };
    },
  };
}

function keyOf(request: FastifyRequest): string | null {
  const key = request.headers[KEY];
  return typeof key === 'string' ? key : null;
}

/** The order of a body's fields is the client's JSON library's business, not part of what is asked for. */
function hashOf({ method, url, body }: FastifyRequest): string {
  return hash('sha256', JSON.stringify([method, url, ordered(body ?? null)]), 'base64url');
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([name, part]) => [name, ordered(part)]);
}
