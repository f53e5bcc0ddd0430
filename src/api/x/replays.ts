// The call for a replay in X's three generations. They differ in where the parameters are and in the answer's
// status and envelope; all else is one.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { principalOf } from '../access.ts';
import { ignoreBodies, readJsonBodies } from './bodies.ts';
import { formatMillis, formatSeconds } from './dates.ts';
import { X_ERRORS } from './errors.ts';
import { checkWindow, readRange, type Given, type XWindow } from './parameters.ts';
import type { XJob, XQuota, XReplays } from './port.ts';
import {
  answers,
  envelopedJob,
  flatJob,
  jobOf11,
  rangeQuery,
  replayBody,
  replayParams,
  TAGS,
} from './schemas.ts';

export interface XReplayRoutes {
  readonly replays: XReplays;
  readonly window: XWindow;
  readonly quota: XQuota;
}

const REFUSALS = [400, 404, 409, 429] as const;
const UNDER_ACCOUNT = '/account_activity/replay/webhooks/:webhook_id/subscriptions/all';

/** Under /1.1, which ignores bodies already. */
export function replayRoutesOf11(scope: FastifyInstance, options: XReplayRoutes): void {
  const schema = {
    ...TAGS,
    operationId: 'requestReplayOfX11',
    summary: 'Replay a time range of a webhook, as X’s API v1.1 has it',
    params: replayParams,
    querystring: rangeQuery,
    response: answers('1.1', 202, jobOf11, REFUSALS),
  };
  scope.post(`${UNDER_ACCOUNT}.json`, { schema }, async (request, reply) => {
    const { id, createdAtMs } = await replay(givenInPath(request), request, reply, options);
    return reply.code(202).send({ job_id: id, created_at: formatSeconds(createdAtMs) } satisfies Flat);
  });
}

/** Under /2: the call of account_activity. */
export function replayRouteOfAccount(scope: FastifyInstance, options: XReplayRoutes): void {
  ignoreBodies(scope, { forms: false });
  const schema = {
    ...TAGS,
    operationId: 'requestReplayOfX2Account',
    summary: 'Replay a time range of a webhook, as X’s API v2 had it under account_activity',
    params: replayParams,
    querystring: rangeQuery,
    response: answers('2', 200, flatJob, REFUSALS),
  };
  scope.post(UNDER_ACCOUNT, { schema }, async (request, reply) => {
    const { id, createdAtMs } = await replay(givenInPath(request), request, reply, options);
    return reply.code(200).send({ created_at: formatMillis(createdAtMs), job_id: id } satisfies Flat);
  });
}

/** Under /2: the consolidated call. */
export function replayRouteOfWebhooks(scope: FastifyInstance, options: XReplayRoutes): void {
  readJsonBodies(scope);
  const schema = {
    ...TAGS,
    operationId: 'requestReplayOfX2',
    summary: 'Replay a time range of a webhook, as X’s API v2 has it',
    body: replayBody,
    response: answers('2', 200, envelopedJob, REFUSALS),
  };
  scope.post('/webhooks/replay', { schema }, async (request, reply) => {
    const { id, createdAtMs } = await replay(givenInBody(request.body), request, reply, options);
    const data: Flat = { created_at: formatMillis(createdAtMs), job_id: id };
    return reply.code(200).send({ data });
  });
}

type Flat = Static<typeof flatJob>;

async function replay(
  given: Given,
  request: FastifyRequest,
  reply: FastifyReply,
  { replays, window, quota }: XReplayRoutes,
): Promise<XJob> {
  const asked = readRange(given);
  checkWindow(asked, await replays.nowMs(), window);
  const range = { fromMs: asked.from.ms, toMs: asked.to.ms };
  const job = await replays.request(principalOf(request), asked.webhookId, range);
  if (job === 'no_webhook') throw X_ERRORS.noWebhook();
  if (job === 'webhook_invalid') throw X_ERRORS.invalidWebhook();
  if (job === 'busy') throw X_ERRORS.busy();
  if ('id' in job) return job;
  tellQuota(reply, quota, job.retryAfterMs);
  throw X_ERRORS.tooMany();
}

/** Today's names of the headers, and those that X's clients read. */
function tellQuota(reply: FastifyReply, { most, windowMs }: XQuota, retryAfterMs: number): void {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  reply
    .header('retry-after', String(seconds))
    .header('ratelimit-policy', `"replays";q=${most};w=${Math.ceil(windowMs / 1000)}`)
    .header('ratelimit', `"replays";r=0;t=${seconds}`)
    .header('x-rate-limit-limit', String(most))
    .header('x-rate-limit-remaining', '0')
    .header('x-rate-limit-reset', String(Math.ceil(Date.now() / 1000) + seconds));
}

function givenInPath({ params, query }: FastifyRequest): Given {
  const { webhook_id } = params as { webhook_id: unknown };
  const { from_date, to_date } = query as Given;
  return { webhook_id, from_date, to_date };
}

/** No body: everything is missing. Members that nobody knows are overlooked, as X does. */
function givenInBody(body: unknown): Given {
  if (body === undefined || body === null)
    return { webhook_id: undefined, from_date: undefined, to_date: undefined };
  if (typeof body !== 'object' || Array.isArray(body)) throw X_ERRORS.unparsable();
  const { webhook_id, from_date, to_date } = body as Given;
  return { webhook_id, from_date, to_date };
}
