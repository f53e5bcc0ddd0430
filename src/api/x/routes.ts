// X's Account Activity Replay API over this product: paths, parameters, windows, errors and answers in its three
// generations (docs/X.md). Only translation: what it needs of the product is port.ts.
// Invariants: no route runs before its principal is known; every answer under these paths is in X's form, that of
// an unknown path too.

import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { Emit } from '../../domain/signals.ts';
import { requirePrincipal, type Authenticate } from '../access.ts';
import { answerMissingRoutes } from '../routing.ts';
import { ignoreBodies } from './bodies.ts';
import { X_ERRORS } from './errors.ts';
import type { XWebhooks } from './port.ts';
import { refusalHandler, sendRefusal, type Generation } from './refusals.ts';
import {
  replayRouteOfAccount,
  replayRouteOfWebhooks,
  replayRoutesOf11,
  type XReplayRoutes,
} from './replays.ts';
import { webhookRoutesOf11 } from './webhooks.ts';

export interface XRoutes extends XReplayRoutes {
  readonly webhooks: XWebhooks;
  readonly authenticate: Authenticate;
  readonly emit: Emit;
}

export function xRoutes(options: XRoutes): FastifyPluginAsync {
  const { authenticate, emit, webhooks } = options;
  const guarded = (add: (scope: FastifyInstance) => void): FastifyPluginAsync => {
    return async (scope) => {
      scope.addHook('onRequest', requirePrincipal(authenticate));
      add(scope);
      return Promise.resolve();
    };
  };
  return async (app) => {
    await app.register(
      async (first) => {
        speakAs('1.1', first, emit);
        await first.register(
          guarded((scope) => {
            ignoreBodies(scope, { forms: true });
            replayRoutesOf11(scope, options);
            webhookRoutesOf11(scope, webhooks);
          }),
        );
      },
      { prefix: '/1.1' },
    );
    await app.register(
      async (second) => {
        speakAs('2', second, emit);
        await second.register(guarded((scope) => replayRouteOfAccount(scope, options)));
        await second.register(guarded((scope) => replayRouteOfWebhooks(scope, options)));
      },
      { prefix: '/2' },
    );
  };
}

/** Errors of this scope are X's, and its schemas describe only. */
function speakAs(generation: Generation, scope: FastifyInstance, emit: Emit): void {
  scope.setErrorHandler(refusalHandler(generation, emit));
  scope.setValidatorCompiler(() => (value: unknown) => ({ value }));
  answerMissingRoutes(scope, {
    noRoute: (request, reply) => sendRefusal(generation, X_ERRORS.noRoute(), request, reply),
    otherMethod: (allowed, request, reply) =>
      sendRefusal(generation, X_ERRORS.otherMethod(allowed.join(' or ')), request, reply),
  });
}
