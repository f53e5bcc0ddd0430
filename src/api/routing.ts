// What happens to a path without a handler: 405 with Allow when the path has other methods, else 404.
// Fastify answers 404 to both, so the routes are remembered as they are added.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RepriseError } from '../domain/errors.ts';
import { sendProblem } from './problems.ts';

interface KnownPath {
  /** Parts between slashes; null = any. */
  readonly shape: readonly (string | null)[];
  readonly methods: Set<string>;
}

/** Call before any route is added. */
export function answerMissingRoutes(app: FastifyInstance): void {
  const paths = new Map<string, KnownPath>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = paths.get(url) ?? { shape: shapeOf(url), methods: new Set() };
    for (const name of [method].flat()) known.methods.add(name);
    paths.set(url, known);
  });
  app.setNotFoundHandler((request, reply) => refuse(request, reply, [...paths.values()]));
}

/** `/v1/webhooks/:id` -> its parts; a slash at the end is another path, as for Fastify. */
const shapeOf = (url: string): KnownPath['shape'] =>
  url.split('/').map((part) => (part.startsWith(':') ? null : part));

function fits(path: string, shape: KnownPath['shape']): boolean {
  const parts = path.split('/');
  return parts.length === shape.length && shape.every((part, at) => (part ?? parts[at]) === parts[at]);
}

function refuse(request: FastifyRequest, reply: FastifyReply, paths: readonly KnownPath[]): void {
  const path = request.url.split('?', 1)[0] ?? '/';
  const methods = new Set(
    paths.filter(({ shape }) => fits(path, shape)).flatMap((known) => [...known.methods]),
  );
  if (methods.size === 0) {
    const error = new RepriseError('no_such_route', 'GET /v1/openapi.json describes all routes.');
    sendProblem(error, request, reply);
    return;
  }
  const allow = [...methods].sort().join(', ');
  reply.header('allow', allow);
  sendProblem(new RepriseError('method_not_allowed', `Allowed here: ${allow}.`), request, reply);
}
