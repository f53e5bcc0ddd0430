// Routes that steer a replay while it lives: pause, resume, cancel, change its limits. Each only records a
// request (who and why); the owner grants it at its own cut, or the store at once when nobody holds a lease. So
// the answer is 202 and shows the job as it is now; its state follows.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { RepriseError } from '../domain/errors.ts';
import type { JobId, TenantId } from '../domain/ids.ts';
import type { ReplayStore, SteerRequest } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';
import { replay } from './answers.ts';
import { etagOf, ifMatchHeader, preconditionFailed, wantedVersions } from './conditional.ts';
import { fails, OPTIONAL_BODY, sends } from './operation.ts';
import type { ReplayRoutes } from './replays.ts';
import { jobIdOf, noReplay } from './replay-lookup.ts';
import { idParams, limitsChange, steeringReason } from './requests.ts';
import { allowBarePost } from './validation.ts';
import { showReplay } from './views.ts';

const TAGS = { tags: ['replays'] };

const VERBS = [
  ['pause', 'PAUSE_REQUESTED', 'Pause a replay; nothing of it is repeated when it is resumed'],
  ['resume', 'RESUME_REQUESTED', 'Resume a paused replay, or take back a pause that was not granted yet'],
  ['cancel', 'CANCEL_REQUESTED', 'End a replay for good at its present cut'],
] as const;

export function steeringRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store, maxRate, onReplayRequested } = options;
  return async (app) => {
    // A reason is welcome, not required.
    app.addHook('preValidation', allowBarePost);
    for (const [verb, type, summary] of VERBS) {
      const schema = {
        ...TAGS,
        operationId: `${verb}Replay`,
        summary,
        params: idParams,
        body: steeringReason,
        ...OPTIONAL_BODY,
        ...fails('illegal_state'),
      };
      app.post(
        `/:id/${verb}`,
        { schema: { ...schema, response: { 202: replay } } },
        async (request, reply) => {
          const { tenant, name } = principalOf(request);
          const id = jobIdOf(request);
          await steer(store, tenant, id, { type, by: name, why: request.body.reason ?? '' });
          onReplayRequested();
          return reply.code(202).send(showReplay((await store.replay(tenant, id)) ?? noReplay(), options));
        },
      );
    }
    const change = {
      ...TAGS,
      operationId: 'changeReplay',
      summary: 'Change the limits of a replay, also while it runs',
      params: idParams,
      headers: ifMatchHeader,
      body: limitsChange(maxRate),
      ...fails('illegal_state', 'precondition_failed'),
      ...sends('etag'),
    };
    app.patch('/:id', { schema: { ...change, response: { 202: replay } } }, async (request, reply) => {
      const { tenant, name } = principalOf(request);
      const id = jobIdOf(request);
      const { reason = '', ...change } = request.body;
      const asked = { type: 'LIMITS_CHANGED', change, by: name, why: reason } as const;
      await steer(store, tenant, id, asked, wantedVersions(request));
      const shown = showReplay((await store.replay(tenant, id)) ?? noReplay(), options);
      return reply.code(202).header('etag', etagOf(shown)).send(shown);
    });
    return Promise.resolve();
  };
}

async function steer(
  store: ReplayStore,
  tenant: TenantId,
  id: JobId,
  request: SteerRequest,
  versions: readonly number[] | null = null,
): Promise<void> {
  const result = await store.steer(tenant, id, request, versions);
  if (result.ok) return;
  if (result.why === 'unknown_job') noReplay();
  if (result.why === 'stale') throw preconditionFailed();
  const state = result.state ?? 'unknown';
  throw new RepriseError('illegal_state', `The replay is ${state}; ${WHEN[request.type]}.`);
}

/** When a request is possible, for the one whose request was refused. */
const WHEN: Readonly<Record<SteerRequest['type'], string>> = {
  PAUSE_REQUESTED: 'only one that is OPEN, STARTED or ONGOING and not being cancelled can be paused',
  RESUME_REQUESTED: 'only one that is PAUSED, or is about to be, can be resumed',
  CANCEL_REQUESTED: 'only one that has not ended and is not being cancelled can be cancelled',
  LIMITS_CHANGED: 'only one that has not ended can be changed',
};
