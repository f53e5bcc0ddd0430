// The REST API as one Fastify instance that does not listen yet.
// Owned here: the order of its parts and its limits against slow, large or many requests. Refused: any rule of
// replays. Invariants: no route of /v1 (but its description) runs before its principal is known; every answer
// that is no success is a problem document; nothing is logged here but through `emit`.

import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { IdentityMode } from '../domain/job.ts';
import type { Planner } from '../domain/plan.ts';
import type { Emit } from '../domain/signals.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import { PRINCIPAL_DECORATOR, requirePrincipal, type Authenticate } from './access.ts';
import { serveDocs } from './docs.ts';
import { describeRoutes, openApiDocument } from './openapi.ts';
import { manifestRoute } from './manifest.ts';
import { opsRoutes, type Readiness } from './ops.ts';
import { planRequestRoute, planRoutes } from './plans.ts';
import { answerClientError, problemHandler } from './problems.ts';
import { challengeRoute, type ProofAtApi } from './proof.ts';
import { streamRoutes, type StreamRoutes } from './streams.ts';
import { groupRoutes } from './groups.ts';
import { replayRequestRoute, replayRoutes } from './replays.ts';
import { leftoverRoutes } from './leftovers.ts';
import { answerMissingRoutes } from './routing.ts';
import { steeringRoutes } from './steering.ts';
import { validatorCompiler } from './validation.ts';
import { webhookRoutes } from './webhooks.ts';
import { addX, xFirst, type XSettings } from './x-wiring.ts';
import { generationOf } from './x/refusals.ts';

export interface ApiOptions {
  readonly store: ReplayStore;
  readonly authenticate: Authenticate;
  /** Why this URL cannot be a webhook's target; null when it can. */
  readonly checkUrl: (url: string) => string | null;
  /** The exposition text for Prometheus. */
  readonly metrics: () => Promise<string>;
  readonly readiness: () => Promise<Readiness>;
  /** Called after a replay was stored, to nudge the local pool. */
  readonly onReplayRequested: () => void;
  readonly emit: Emit;
  readonly lookbackMs: number;
  /** Most events/s per webhook. */
  readonly maxRate: number;
  readonly disorderSlackMs: number;
  readonly identity: IdentityMode;
  readonly planner: Planner;
  /** How long after `to` a range is settled. */
  readonly settleMs: number;
  readonly planTtlMs: number;
  readonly proof: ProofAtApi;
  /** How long an Idempotency-Key and its answer are kept. */
  readonly idempotencyKeepMs: number;
  readonly streams: StreamRoutes['streams'];
  /** X's Account Activity Replay API besides; absent = off. */
  readonly x?: XSettings;
  /** Whether Swagger UI is served at /docs; default true. */
  readonly docs?: boolean;
  /** Of this software, for the API's description. */
  readonly version: string;
}

const BODY_LIMIT_BYTES = 65_536;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node looks for requests past these; its default of 30 s would make them meaningless. */
const CHECK_INTERVAL_MS = 1000;
const MAX_CONNECTIONS = 2000;

/** The API, ready to `inject` or `listen`. Close it with `close()`. */
export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const handleError = problemHandler(options.emit);
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CHECK_INTERVAL_MS },
    genReqId: () => randomUUID(),
    frameworkErrors: options.x ? xFirst(handleError, options.emit) : handleError,
    clientErrorHandler: answerClientError,
    // Fastify's own 503 is no problem document; what arrived before the close is answered.
    return503OnClosing: false,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.setErrorHandler(handleError);
  app.setValidatorCompiler(validatorCompiler);
  // Bodies are JSON; text/plain would get past a browser's preflight.
  app.removeContentTypeParser('text/plain');
  app.decorateRequest(PRINCIPAL_DECORATOR);
  app.addHook('onRequest', tellRequestId);
  await app.register(helmet, { contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } } });
  answerMissingRoutes(app, undefined, (url) => options.x !== undefined && generationOf(url) !== null);
  await describeRoutes(app, options.version);
  if (options.docs !== false) await serveDocs(app);
  await addRoutes(app, options);
  await app.ready();
  return app;
}

async function addRoutes(app: FastifyInstance, options: ApiOptions): Promise<void> {
  await app.register(opsRoutes(options));
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => openApiDocument(app));
  const authorize = requirePrincipal(options.authenticate);
  await app.register(
    async (v1) => {
      v1.addHook('onRequest', authorize);
      await v1.register(webhookRoutes(options), { prefix: '/webhooks' });
      await v1.register(challengeRoute(options.proof), { prefix: '/webhooks' });
      await v1.register(replayRequestRoute(options), { prefix: '/webhooks' });
      await v1.register(planRequestRoute(options), { prefix: '/webhooks' });
      await v1.register(planRoutes(options), { prefix: '/replay-plans' });
      await v1.register(groupRoutes(options), { prefix: '/replay-groups' });
      await v1.register(replayRoutes(options), { prefix: '/replays' });
      await v1.register(steeringRoutes(options), { prefix: '/replays' });
      await v1.register(leftoverRoutes(options), { prefix: '/replays' });
      await v1.register(manifestRoute(options), { prefix: '/replays' });
      await v1.register(streamRoutes(options), { prefix: '/replays' });
    },
    { prefix: '/v1' },
  );
  if (options.x) await addX(app, options, options.x);
}

async function tellRequestId(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.header('request-id', request.id).header('cache-control', 'no-store');
  return Promise.resolve();
}
