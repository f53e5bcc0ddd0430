// How an error looks on the wire: v1.1's `{"errors":[{code,message}]}`, and v2's problem document, which carries the
// same list besides. Owned here: the last word about anything thrown under X's paths.

import { STATUS_CODES } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { messageOf } from '../../domain/errors.ts';
import type { Emit } from '../../domain/signals.ts';
import { refusalOf, X_ERRORS, type XRefusal } from './errors.ts';

/** The generations of the API by their first part of the path; they differ in the form of their errors. */
export type Generation = '1.1' | '2';

const MEDIA_TYPE: Readonly<Record<Generation, string>> = {
  '1.1': 'application/json; charset=utf-8',
  '2': 'application/problem+json',
};

/** A refusal as its generation writes it. */
export function bodyOf(generation: Generation, { status, code, message }: XRefusal): object {
  const errors = [{ code, message }];
  if (generation === '1.1') return { errors };
  // RFC 9457: about:blank says no more than the status does.
  return { type: 'about:blank', title: STATUS_CODES[status] ?? '', status, detail: message, errors };
}

export function sendRefusal(
  generation: Generation,
  refusal: XRefusal,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (refusal.status === 503) reply.header('retry-after', '1');
  // The route's response schemas are for successes: this text is final.
  void reply
    .code(refusal.status)
    .header('request-id', request.id)
    .header('cache-control', 'no-store')
    .type(MEDIA_TYPE[generation])
    .serializer(String)
    .send(JSON.stringify(bodyOf(generation, refusal)));
}

/** Fastify's error handler under the paths of one generation. */
export function refusalHandler(generation: Generation, emit: Emit) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const known = refusalOf(error);
    if (!known) {
      emit('http.failed', { route: request.routeOptions.url ?? 'unknown', error: messageOf(error) });
    }
    sendRefusal(generation, known ?? X_ERRORS.internal(), request, reply);
  };
}

/** Whose errors a path gets that reached no route at all; null = not X's. */
export function generationOf(url: string): Generation | null {
  const first = /^\/(1\.1|2)(?:[/?#]|$)/.exec(url)?.[1];
  return first === '1.1' || first === '2' ? first : null;
}
