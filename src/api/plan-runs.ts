// A request for a replay names a range or a plan: which of the two, and what the plan makes of it. Limits may be given
// beside a plan; everything else is the plan's own.

import type { Static } from 'typebox';
import { RepriseError, type InputFault } from '../domain/errors.ts';
import { asPlanId, isId, type JobId, type PlanId, type TenantId, type WebhookId } from '../domain/ids.ts';
import type { PlannedPins } from '../domain/job.ts';
import type { Once } from '../domain/once.ts';
import type { PlanView } from '../domain/plan.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import type { JobView } from '../domain/store.ts';
import { INSTANT_FORM } from './range.ts';
import type { replayDraft, replayRequest } from './requests.ts';
import { noWebhook } from './webhooks.ts';

type Draft = Static<ReturnType<typeof replayDraft>>;
type Body = Static<ReturnType<typeof replayRequest>>;
type PlanRun = Pick<Body, 'maxRate' | 'concurrency'> & { readonly planId: string };

const BESIDE_A_PLAN = ['planId', 'maxRate', 'concurrency'];

/** Throws RepriseError invalid_request for a body that is neither or both. */
export function rangeOrPlan({ from, to, planId, ...more }: Body): Draft | PlanRun {
  if (planId === undefined) {
    if (from !== undefined && to !== undefined) return { ...more, from, to };
    const missing = Object.entries({ from, to }).filter(([, value]) => value === undefined);
    const detail = `is missing; allowed: ${INSTANT_FORM}, or planId instead of from and to`;
    throw invalid(missing.map(([name]) => ({ pointer: `/${name}`, detail })));
  }
  const given = Object.entries({ from, to, ...more }).filter(([, value]) => value !== undefined);
  const others = given.map(([name]) => name).filter((name) => !BESIDE_A_PLAN.includes(name));
  const detail = `belongs to the plan; allowed beside planId: ${BESIDE_A_PLAN.slice(1).join(', ')}`;
  if (others.length > 0) throw invalid(others.map((name) => ({ pointer: `/${name}`, detail })));
  return { planId, ...more };
}

export const isPlanRun = (asked: Draft | PlanRun): asked is PlanRun => 'planId' in asked;

const invalid = (faults: readonly InputFault[]): RepriseError =>
  new RepriseError('invalid_request', 'The body is not valid; see errors.', { faults });

interface RequestedRun {
  readonly tenant: TenantId;
  readonly webhookId: WebhookId;
  readonly plan: PlanRun;
  readonly by: string;
  readonly once: Once<JobView> | null;
}

/** The job of a plan. Whether the plan was used meanwhile is decided where the job is written. */
export async function runOfPlan(
  store: ReplayStore,
  { tenant, webhookId, plan: asked, by, once }: RequestedRun,
): Promise<JobView> {
  const { planId, ...limits } = asked;
  const plan = await store.plan(tenant, planIdOf(planId));
  if (plan?.webhookId !== webhookId) {
    // Of a webhook that is not there, nothing else is told.
    return (await store.webhook(tenant, webhookId)) ? noPlan() : noWebhook();
  }
  if (plan.jobId !== null) throw planUsed(plan.jobId);
  const spec = { ...plan.spec, limits: { ...plan.spec.limits, ...limits }, plan: pinsOf(plan) };
  const made = await store.runPlan(tenant, webhookId, spec, by, once);
  if (made === 'no_webhook') return noWebhook();
  if (made === 'no_plan') return noPlan();
  if ('usedBy' in made) throw planUsed(made.usedBy);
  return made;
}

const pinsOf = ({ id: planId, site, partition, pins, gaps }: PlanView): PlannedPins => ({
  planId,
  site,
  partition,
  pins,
  gaps,
});

/** One that cannot exist is an unknown one. */
export const planIdOf = (id: string): PlanId => (isId(id) ? asPlanId(id) : noPlan());

export function noPlan(): never {
  throw new RepriseError(
    'not_found',
    'No plan of this webhook has this id. Plans expire; make a new one with POST /v1/webhooks/{id}/replay-plans.',
  );
}

function planUsed(jobId: JobId): RepriseError {
  return new RepriseError(
    'plan_used',
    `The plan was run as replay ${jobId}; a plan runs once. Make a new one to replay the range again.`,
    { faults: [{ pointer: '/planId', detail: `was run as replay ${jobId}` }] },
  );
}
