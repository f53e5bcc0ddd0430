// Routes of replays: request one, list, look at one, read its transitions.
// Owned here: turning a checked request into a job's spec. Refused: running anything; a request is a row and
// its first fact, and the pool of any instance takes it from there (the nudge only saves a poll interval).

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Static } from 'typebox';
import { RepriseError } from '../domain/errors.ts';
import type { IdentityMode, JobSpec } from '../domain/job.ts';
import type { Emit } from '../domain/signals.ts';
import type { ProofMode } from '../domain/proof.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { principalOf } from './access.ts';
import { pageOf, replay, transition } from './answers.ts';
import { ifNoneMatchHeader, isUnchanged, NO_BODY, notModified } from './conditional.ts';
import { linked, pageAnswer, pageRequest } from './cursor.ts';
import { filtersOf } from './filters.ts';
import { idempotency } from './idempotency.ts';
import { fails, IDEMPOTENCY_FAILS, sends } from './operation.ts';
import { isPlanRun, rangeOrPlan, runOfPlan } from './plan-runs.ts';
import { refuseInvalid } from './proof.ts';
import { replayFilterOf, replayListQuery } from './replay-filter.ts';
import { checkRange } from './range.ts';
import { jobIdOf, noReplay } from './replay-lookup.ts';
import { idParams, pageQuery, type replayDraft, replayRequest } from './requests.ts';
import { showReplay, showTransition } from './views.ts';
import { noWebhook, webhookIdOf } from './webhooks.ts';

export interface ReplayRoutes {
  readonly store: ReplayStore;
  readonly emit: Emit;
  /** Called after a replay was stored: the local pool may look at once. */
  readonly onReplayRequested: () => void;
  readonly lookbackMs: number;
  readonly maxRate: number;
  /** Shown beside the disorder that a replay met. */
  readonly disorderSlackMs: number;
  readonly identity: IdentityMode;
  readonly proof: { readonly mode: ProofMode };
  readonly idempotencyKeepMs: number;
}

const TAGS = { tags: ['replays'] };

/** The route that belongs under a webhook's path. */
export function replayRequestRoute(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store, emit, onReplayRequested, maxRate } = options;
  const { headers, preHandler, once } = idempotency(options);
  const created = createdReplay(options);
  return async (app) => {
    const body = replayRequest(maxRate);
    const schema = {
      ...TAGS,
      operationId: 'requestReplay',
      summary: 'Replay a time range of a webhook, or run a plan',
      params: idParams,
      headers,
      body,
      response: { 202: replay },
      ...fails('invalid_range', 'plan_used', 'webhook_invalid', ...IDEMPOTENCY_FAILS),
      ...sends('location', 'idempotency-replayed'),
    };
    app.post('/:id/replays', { preHandler, schema }, async (request, reply) => {
      const webhookId = webhookIdOf(request);
      const { tenant, name } = principalOf(request);
      const asked = rangeOrPlan(request.body);
      const run = isPlanRun(asked)
        ? { plan: asked }
        : { spec: rangeSpec(asked, await store.nowMs(), options) };
      await refuseInvalid(store, options.proof.mode, tenant, webhookId);
      const kept = once(request, reply, created);
      const job =
        'plan' in run
          ? await runOfPlan(store, { tenant, webhookId, plan: run.plan, by: name, once: kept })
          : await store.requestReplay(tenant, webhookId, run.spec, name, kept);
      if (job === 'no_webhook') return noWebhook();
      emit('job.requested', { jobId: job.id, webhookId });
      onReplayRequested();
      return reply.code(202).header('location', created.location(job)).send(created.show(job));
    });
    return Promise.resolve();
  };
}

/** How a new replay is answered, whichever way it came to be. */
export const createdReplay = (options: ReplayRoutes) => ({
  status: 202,
  location: (job: JobView) => `/v1/replays/${job.id}`,
  show: (job: JobView) => showReplay(job, options),
});

export function replayRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store } = options;
  const show = (job: JobView) => showReplay(job, options);
  return async (app) => {
    const list = {
      ...TAGS,
      operationId: 'listReplays',
      summary: 'List replays, newest first',
      ...sends('link'),
      querystring: replayListQuery,
    };
    app.get('', { schema: { ...list, response: { 200: pageOf(replay) } } }, async (request, reply) => {
      const { filter, list } = replayFilterOf(request.query);
      const wanted = pageRequest(list, request.query);
      const page = await store.replays(principalOf(request).tenant, wanted, filter);
      return linked(request, reply, pageAnswer(list, page, show));
    });

    const look = {
      ...TAGS,
      operationId: 'getReplay',
      summary: 'Look at a replay',
      params: idParams,
      ...sends('etag'),
    };
    const shown = { headers: ifNoneMatchHeader, response: { 200: replay, 304: notModified } };
    app.get('/:id', { schema: { ...look, ...shown } }, async (request, reply) => {
      const found = await store.replay(principalOf(request).tenant, jobIdOf(request));
      const answer = show(found ?? noReplay());
      return isUnchanged(request, reply, answer) ? reply.send(NO_BODY) : answer;
    });

    const history = {
      ...TAGS,
      operationId: 'listTransitions',
      summary: 'Read the persisted transitions of a replay',
      ...sends('link'),
      params: idParams,
    };
    app.get(
      '/:id/transitions',
      { schema: { ...history, querystring: pageQuery, response: { 200: pageOf(transition) } } },
      async (request, reply) => {
        const id = jobIdOf(request);
        // Each replay's history is a list of its own: a cursor of another one's does not fit.
        const list = `transitions/${id}`;
        const wanted = pageRequest(list, request.query);
        const page = await store.transitions(principalOf(request).tenant, id, wanted);
        return linked(request, reply, pageAnswer(list, page ?? noReplay(), showTransition));
      },
    );
    return Promise.resolve();
  };
}

type Draft = Static<ReturnType<typeof replayDraft>>;

/** A range as a job's spec; throws RepriseError invalid_range. `nowMs`: the store's clock. */
export function rangeSpec(
  draft: Draft,
  nowMs: number,
  { identity, lookbackMs }: Pick<ReplayRoutes, 'identity' | 'lookbackMs'>,
): Omit<JobSpec, 'webhookId' | 'key'> {
  const range = checkRange(draft.from, draft.to, nowMs, lookbackMs);
  if (!range.ok) {
    const detail = 'The range cannot be replayed; see errors.';
    throw new RepriseError('invalid_range', detail, { faults: range.faults });
  }
  return { ...specOf(draft, identity), fromMs: range.fromMs, toMs: range.toMs };
}

export function specOf(
  {
    maxRate = null,
    concurrency = null,
    filters = [],
    order = 'any',
    scan = 'bounded',
    read = 'failover',
  }: Draft,
  identity: IdentityMode,
): Omit<JobSpec, 'webhookId' | 'key' | 'fromMs' | 'toMs'> {
  return {
    kind: 'range',
    parentJobId: null,
    identity,
    filters: filtersOf(filters),
    order,
    scan,
    deliveryMode: 'single',
    readMode: read,
    groupId: null,
    limits: { maxRate, concurrency },
  };
}
