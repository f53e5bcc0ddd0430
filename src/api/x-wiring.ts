// Puts X's API into the server: settings, port and routes meet here, so that server.ts has one line for it.

import type { FastifyInstance } from 'fastify';
import type { Emit } from '../domain/signals.ts';
import type { Authenticate } from './access.ts';
import type { ErrorHandler } from './problems.ts';
import { xReplays, xWebhooks, type XPort } from './x-port.ts';
import type { XQuota } from './x/port.ts';
import { generationOf, refusalHandler } from './x/refusals.ts';
import { xRoutes } from './x/routes.ts';

export interface XSettings {
  /** How old `from_date` and `to_date` must be. */
  readonly fromAgeMs: number;
  readonly toAgeMs: number;
  /** Replays of one webhook. */
  readonly quota: XQuota;
}

interface Wiring extends XPort {
  readonly authenticate: Authenticate;
  readonly lookbackMs: number;
}

export async function addX(app: FastifyInstance, options: Wiring, settings: XSettings): Promise<void> {
  const { authenticate, emit, lookbackMs } = options;
  const { quota, fromAgeMs, toAgeMs } = settings;
  await app.register(
    xRoutes({
      replays: xReplays(options, quota),
      webhooks: xWebhooks(options),
      window: { lookbackMs, fromAgeMs, toAgeMs },
      quota,
      authenticate,
      emit,
    }),
  );
}

/** For errors before any route is known: under X's paths they are X's too. */
export function xFirst(otherwise: ErrorHandler, emit: Emit): ErrorHandler {
  return (error, request, reply) => {
    const generation = generationOf(request.url);
    const handle = generation === null ? otherwise : refusalHandler(generation, emit);
    handle(error, request, reply);
  };
}
