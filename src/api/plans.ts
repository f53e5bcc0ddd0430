// Routes of plans: make one, look at it. A plan tells what a replay of the range would read, and pins it; running it is
// a replay's request (plan-runs.ts).
// Owned here: what is warned of beside the log's own warnings. Refused: asking the log; the planner does.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import type { TenantId } from '../domain/ids.ts';
import { capOf, etaOf, recordsOf } from '../domain/plan.ts';
import type { PlanDraft, PlanSpec, PlanWarning, Planner } from '../domain/plan.ts';
import { demandsProof } from '../domain/proof.ts';
import type { WebhookView } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';
import { plan, showPlan } from './plan-answers.ts';
import { fails, sends } from './operation.ts';
import { noPlan, planIdOf } from './plan-runs.ts';
import { rangeSpec, type ReplayRoutes } from './replays.ts';
import { idParams, replayDraft } from './requests.ts';
import { noWebhook, webhookIdOf } from './webhooks.ts';

export interface PlanRoutes extends ReplayRoutes {
  readonly planner: Planner;
  /** How long after `to` a range is settled. */
  readonly settleMs: number;
  readonly planTtlMs: number;
}

const TAGS = { tags: ['plans'] };

/** The route that belongs under a webhook's path. */
export function planRequestRoute(options: PlanRoutes): FastifyPluginAsyncTypebox {
  const { store, emit, maxRate, planTtlMs } = options;
  return async (app) => {
    const schema = {
      ...TAGS,
      operationId: 'planReplay',
      summary: 'Plan a replay: pin what it would read, and tell its bounds',
      params: idParams,
      body: replayDraft(maxRate),
      ...fails('invalid_range', 'too_many_requests', 'log_unavailable', 'log_unusable'),
      ...sends('location'),
    };
    app.post(
      '/:id/replay-plans',
      { schema: { ...schema, response: { 201: plan } } },
      async (request, reply) => {
        const startMs = performance.now();
        const { tenant } = principalOf(request);
        const webhook = (await store.webhook(tenant, webhookIdOf(request))) ?? noWebhook();
        const nowMs = await store.nowMs();
        const spec = { ...rangeSpec(request.body, nowMs, options), kind: 'plan' as const };
        const draft = await draftOf(options, tenant, webhook, spec, nowMs);
        const made = await store.createPlan(tenant, draft, planTtlMs);
        if (made === 'no_webhook') return noWebhook();
        emit('plan.made', {
          planId: made.id,
          webhookId: made.webhookId,
          records: recordsOf(made),
          warnings: made.warnings.map(({ code }) => code).join(' '),
          durationMs: performance.now() - startMs,
        });
        return reply.code(201).header('location', `/v1/replay-plans/${made.id}`).send(showPlan(made));
      },
    );
    return Promise.resolve();
  };
}

export function planRoutes({ store }: PlanRoutes): FastifyPluginAsyncTypebox {
  return async (app) => {
    const look = { ...TAGS, operationId: 'getPlan', summary: 'Look at a plan', params: idParams };
    app.get('/:id', { schema: { ...look, response: { 200: plan } } }, async (request: PlanLook) => {
      const found = await store.plan(principalOf(request).tenant, planIdOf(request.params.id));
      return showPlan(found ?? noPlan());
    });
    return Promise.resolve();
  };
}

type PlanLook = FastifyRequest<{ Params: { id: string } }>;

async function draftOf(
  { store, planner, settleMs, maxRate, proof }: PlanRoutes,
  tenant: TenantId,
  webhook: WebhookView,
  spec: PlanSpec,
  nowMs: number,
): Promise<PlanDraft> {
  const { fromMs, toMs, identity, scan, readMode } = spec;
  const settledAtMs = toMs + settleMs;
  const [planned, others] = await Promise.all([
    planner.plan({ key: webhook.key, fromMs, toMs, identity, scan, readMode, settledAtMs, nowMs }),
    warningsBeside({ store, proof }, tenant, webhook, spec),
  ]);
  const cap = capOf(maxRate, webhook.maxRate, spec.limits.maxRate);
  return {
    ...planned,
    webhookId: webhook.id,
    spec,
    settledAtMs,
    eta: etaOf(recordsOf(planned), planned.estimatedBytes, cap),
    warnings: [...planned.warnings, ...others],
  };
}

const INVALID: PlanWarning = {
  code: 'webhook_invalid',
  detail:
    'The webhook failed its checks; a run is refused until it passes one (POST /v1/webhooks/{id}/challenges).',
};

/** What the webhook and its other replays give reason to warn of. */
async function warningsBeside(
  { store, proof }: Pick<PlanRoutes, 'store' | 'proof'>,
  tenant: TenantId,
  webhook: WebhookView,
  spec: PlanSpec,
): Promise<readonly PlanWarning[]> {
  const { live, completed } = await store.replaysBeside(tenant, webhook.id, spec);
  const isInvalid = webhook.validity.state === 'invalid' && demandsProof(proof.mode, webhook.profile);
  return [
    ...(isInvalid ? [INVALID] : []),
    ...live.map((replayId): PlanWarning => {
      const detail = `Replay ${replayId} of this webhook has not ended; they run one after the other.`;
      return { code: 'replay_live', replayId, detail };
    }),
    ...completed.map((replayId): PlanWarning => {
      const detail = `Replay ${replayId} has delivered some or all of this range already; a run delivers it again.`;
      return { code: 'already_replayed', replayId, detail };
    }),
  ];
}
