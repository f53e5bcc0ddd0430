// Routes for those who run it: alive, ready, metrics, the meaning of an error. No API key is needed: they tell
// nothing of any tenant. Ready means that requests can be taken, which needs the database only; while Kafka
// is away replays wait and say so, and taking this instance out of service would help nobody.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { ERRORS, RepriseError } from '../domain/errors.ts';
import type { SiteStatus } from '../domain/log.ts';
import { maybeText, text } from './fields.ts';

export interface Readiness {
  /** What is wrong with the database, in words for an operator; null when it answers. */
  readonly database: string | null;
  readonly sites: readonly SiteStatus[];
}

export interface OpsRoutes {
  readonly readiness: () => Promise<Readiness>;
  /** The exposition text (Prometheus 0.0.4). */
  readonly metrics: () => Promise<string>;
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** A database that takes longer does not answer, for a load balancer's purposes. */
const READY_DEADLINE_MS = 2000;
const TAGS = { tags: ['operation'] };

const aliveAnswer = Type.Object(
  { status: Type.Enum(['alive'], { description: 'it runs' }) },
  { title: 'Liveness', description: 'the process runs' },
);
const readyAnswer = Type.Object(
  {
    status: Type.Enum(['ready', 'unready'], { description: 'whether requests can be taken' }),
    database: Type.Object(
      { ok: Type.Boolean({ description: 'it answers' }), problem: maybeText('what is wrong with it') },
      { description: 'the database that coordinates' },
    ),
    sites: Type.Array(
      Type.Object({
        site: text('its name'),
        reachable: Type.Boolean({ description: 'its Kafka answers' }),
        problem: maybeText('what is wrong with it; replays that need it wait'),
      }),
      { description: 'the sites of the delivery log' },
    ),
  },
  { title: 'Readiness', description: 'whether requests can be taken, and what is wrong' },
);
const meaningAnswer = Type.Object(
  {
    type: text('/problems/<code>'),
    code: text('stable name of the error'),
    status: Type.Integer({ description: 'the HTTP status' }),
    retryable: Type.Boolean({ description: 'whether asking again may help' }),
    title: text('what it means'),
  },
  { title: 'ProblemMeaning', description: 'what an error means' },
);
const codeParams = Type.Object({
  code: Type.String({ description: 'the code of an error', examples: ['key_taken'] }),
});
const metricsAnswer = Type.Unsafe<string>({
  description: 'the exposition text',
  content: { 'text/plain': { schema: { type: 'string' } } },
});

export function opsRoutes({ readiness, metrics }: OpsRoutes): FastifyPluginAsyncTypebox {
  return async (app) => {
    const alive = { ...TAGS, operationId: 'getHealth', summary: 'The process runs', security: [] };
    app.get('/healthz', { schema: { ...alive, response: { 200: aliveAnswer } } }, () => ({
      status: 'alive' as const,
    }));

    const ready = {
      ...TAGS,
      operationId: 'getReadiness',
      summary: 'Requests can be taken: the database answers',
      security: [],
    };
    const response = { 200: readyAnswer, 503: readyAnswer };
    app.get('/readyz', { schema: { ...ready, response } }, async (_request, reply) => {
      const { database, sites } = await withinDeadline(readiness());
      const ok = database === null;
      return reply.code(ok ? 200 : 503).send({
        status: ok ? ('ready' as const) : ('unready' as const),
        database: { ok, problem: database },
        sites: sites.map(({ site, reachable, problem }) => ({ site, reachable, problem })),
      });
    });

    const scrape = { ...TAGS, operationId: 'getMetrics', summary: 'Metrics for Prometheus', security: [] };
    app.get(
      '/metrics',
      { schema: { ...scrape, response: { 200: metricsAnswer } } },
      async (_request, reply) => reply.type(METRICS_TYPE).send(await metrics()),
    );

    const meaning = {
      ...TAGS,
      operationId: 'getProblem',
      summary: 'What an error’s `type` means',
      security: [],
    };
    app.get(
      '/problems/:code',
      { schema: { ...meaning, params: codeParams, response: { 200: meaningAnswer } } },
      ({ params: { code } }) => {
        const row = Object.entries(ERRORS).find(([name]) => name === code)?.[1];
        if (!row) throw new RepriseError('not_found', 'No error has this code; docs/ERRORS.md lists them.');
        return { type: `/problems/${code}`, code, ...row };
      },
    );
    return Promise.resolve();
  };
}

function withinDeadline(answer: Promise<Readiness>): Promise<Readiness> {
  const late = Promise.withResolvers<Readiness>();
  const database = `no answer within ${READY_DEADLINE_MS} ms`;
  const timer = setTimeout(() => late.resolve({ database, sites: [] }), READY_DEADLINE_MS);
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}
