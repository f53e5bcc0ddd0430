// Every answer that is not a success, as RFC 9457 application/problem+json, made in this one place.
// Owned here: turning anything thrown into a problem document. Invariant: texts come from the table of errors
// and from RepriseError's detail; messages and stacks of other errors go to the signal only.

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ERRORS, messageOf, RepriseError, type ErrorCode } from '../domain/errors.ts';
import type { Emit } from '../domain/signals.ts';

export const PROBLEM_JSON = 'application/problem+json';
const MAX_FAULTS = 20;

/** A problem document; `type` is served under the same path. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  retryable: boolean;
  /** `urn:uuid:` and the request's id, as in the header request-id. */
  instance?: string;
  errors?: { pointer: string; detail: string }[];
}

export function problemOf(error: RepriseError, requestId: string | null): Problem {
  const { title, status, retryable } = ERRORS[error.code];
  const faults = error.faults.slice(0, MAX_FAULTS).map(({ pointer, detail }) => ({ pointer, detail }));
  return {
    type: `/problems/${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.detail,
    retryable,
    ...(requestId === null ? {} : { instance: `urn:uuid:${requestId}` }),
    ...(faults.length === 0 ? {} : { errors: faults }),
  };
}

/** Fastify's own refusals, in our words. */
const REFUSALS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    'Send the body as JSON with the header "Content-Type: application/json".',
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body may have at most 65,536 bytes.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_request', 'The body is not JSON; send one JSON object.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_request', 'The body is empty; send one JSON object.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_request', 'The body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['invalid_request', 'The path is not a valid URL; check its percent signs.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', 'There is nothing here with such a long id.'],
};

/** What a client is told about anything thrown; null = unexpected, nothing of it may be told. */
function expected(error: unknown): RepriseError | null {
  if (error instanceof RepriseError) return error;
  if (!(error instanceof Error)) return null;
  const { code, statusCode } = error as Partial<FastifyError>;
  const refusal = code === undefined ? undefined : REFUSALS[code];
  if (refusal) return new RepriseError(refusal[0], refusal[1], { cause: error });
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return null;
  return new RepriseError('invalid_request', 'The request could not be read; check its headers and body.', {
    cause: error,
  });
}

const INTERNAL_DETAIL = 'Try again in a moment; the request-id of this answer finds the reason in the log.';

export type ErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** Fastify's error handler. */
export function problemHandler(emit: Emit): ErrorHandler {
  return (error, request, reply) => {
    const known = expected(error);
    if (!known)
      emit('http.failed', { route: request.routeOptions.url ?? 'unknown', error: messageOf(error) });
    sendProblem(known ?? new RepriseError('internal', INTERNAL_DETAIL), request, reply);
  };
}

export function sendProblem(error: RepriseError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error, request.id);
  if (problem.status === 503) reply.header('retry-after', '1');
  // The route's response schemas are for successes: this text is final.
  void reply
    .code(problem.status)
    .header('request-id', request.id)
    .header('cache-control', 'no-store')
    .type(PROBLEM_JSON)
    .serializer(String)
    .send(JSON.stringify(problem));
}

/** Answers what Node's HTTP parser refused (no request object exists yet) and closes the socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const timedOut = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const status = timedOut ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const detail = timedOut
    ? 'The request took too long to arrive.'
    : 'This is not an HTTP request we can read.';
  const problem = { ...problemOf(new RepriseError('invalid_request', detail), null), status };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${PROBLEM_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
