// What happens to a path without a handler: 405 with Allow when the path has other methods, else 404.
// Fastify answers 404 to both, so the routes are remembered as they are added.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RepriseError } from '../domain/errors.ts';
import { sendProblem } from './problems.ts';

interface KnownPath {
  /** Parts between slashes; a pattern = any text that fits. */
  readonly shape: readonly (string | RegExp)[];
  readonly methods: Set<string>;
}

/** How the two refusals are said. */
export interface MissingRoute {
  noRoute(request: FastifyRequest, reply: FastifyReply): void;
  /** The header Allow is set already. */
  otherMethod(allowed: readonly string[], request: FastifyRequest, reply: FastifyReply): void;
}

const AS_PROBLEMS: MissingRoute = {
  noRoute(request, reply) {
    const error = new RepriseError('no_such_route', 'GET /v1/openapi.json describes all routes.');
    sendProblem(error, request, reply);
  },
  otherMethod(allowed, request, reply) {
    const detail = `Allowed here: ${allowed.join(', ')}.`;
    sendProblem(new RepriseError('method_not_allowed', detail), request, reply);
  },
};

/** Call before any route is added; for the paths below the scope's prefix. `isElsewhere`: paths that another scope answers. */
export function answerMissingRoutes(
  scope: FastifyInstance,
  say = AS_PROBLEMS,
  isElsewhere: (url: string) => boolean = () => false,
): void {
  const paths = new Map<string, KnownPath>();
  scope.addHook('onRoute', ({ url, method }) => {
    const known = paths.get(url) ?? { shape: shapeOf(url), methods: new Set() };
    for (const name of [method].flat()) known.methods.add(name);
    paths.set(url, known);
  });
  scope.setNotFoundHandler((request, reply) => {
    refuse(request, reply, [...paths.values()], say);
  });
  // Before Fastify looks at the body: what is wrong with that matters only to a route (QUERY must have one, for it).
  scope.addHook('onRequest', (request, reply, done) => {
    if (request.is404 && !isElsewhere(request.url)) refuse(request, reply, [...paths.values()], say);
    else done();
  });
}

function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  known: readonly KnownPath[],
  say: MissingRoute,
): void {
  const path = request.url.split('?', 1)[0] ?? '/';
  const fitting = known.filter(({ shape }) => fits(path, shape));
  const methods = new Set(fitting.flatMap((one) => [...one.methods]));
  if (methods.size === 0) {
    say.noRoute(request, reply);
    return;
  }
  const allowed = [...methods].sort();
  reply.header('allow', allowed.join(', '));
  say.otherMethod(allowed, request, reply);
}

/** `/v1/webhooks/:id` -> its parts; a slash at the end is another path, as for Fastify. `:id.json` ends so. */
const shapeOf = (url: string): KnownPath['shape'] =>
  url.split('/').map((part) => {
    const ending = /^:\w+(.*)$/.exec(part)?.[1];
    return ending === undefined ? part : new RegExp(`${ending.replaceAll('.', '\\.')}$`);
  });

function fits(path: string, shape: KnownPath['shape']): boolean {
  const parts = path.split('/');
  return (
    parts.length === shape.length &&
    shape.every((wanted, at) =>
      typeof wanted === 'string' ? wanted === parts[at] : wanted.test(parts[at] ?? ''),
    )
  );
}
