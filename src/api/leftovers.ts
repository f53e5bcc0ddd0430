// Routes for what a replay left undone: its dead letters, sending them again, and one call for everything that is
// missing (remainder). Each of the two makes a job of its own, once: asked again, it shows the job that does it.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { RepriseError } from '../domain/errors.ts';
import type { TakeUpRefusal } from '../domain/dead-letter.ts';
import type { JobView } from '../domain/store.ts';
import { principalOf } from './access.ts';
import { deadLetter, pageOf, replay } from './answers.ts';
import { linked, pageAnswer, pageRequest } from './cursor.ts';
import { idempotency } from './idempotency.ts';
import { fails, IDEMPOTENCY_FAILS, OPTIONAL_BODY, sends } from './operation.ts';
import { createdReplay, type ReplayRoutes } from './replays.ts';
import { jobIdOf, noReplay } from './replay-lookup.ts';
import { idParams, limitsOfChild, pageQuery } from './requests.ts';
import { allowBarePost } from './validation.ts';
import { showDeadLetter } from './views.ts';

const TAGS = { tags: ['replays'] };

const VERBS = [
  [
    'dead-letters/replay',
    'dead_letters',
    'replayDeadLetters',
    'Send the open dead letters of a replay again',
  ],
  ['remainder', 'remainder', 'replayRemainder', 'Replay all that an ended replay left undone'],
] as const;

export function leftoverRoutes(options: ReplayRoutes): FastifyPluginAsyncTypebox {
  const { store, emit, onReplayRequested, maxRate } = options;
  const { headers, preHandler, once } = idempotency(options);
  const created = createdReplay(options);
  return async (app) => {
    const list = {
      ...TAGS,
      operationId: 'listDeadLetters',
      summary: 'List the dead letters of a replay, by their place in the log',
      params: idParams,
      querystring: pageQuery,
      ...sends('link'),
    };
    app.get(
      '/:id/dead-letters',
      { schema: { ...list, response: { 200: pageOf(deadLetter) } } },
      async (request, reply) => {
        const id = jobIdOf(request);
        const name = `dead-letters/${id}`;
        const page = await store.deadLetters(
          principalOf(request).tenant,
          id,
          pageRequest(name, request.query),
        );
        return linked(request, reply, pageAnswer(name, page ?? noReplay(), showDeadLetter));
      },
    );
    // What differs from the parent is welcome, not required.
    app.addHook('preValidation', allowBarePost);
    for (const [path, kind, operationId, summary] of VERBS) {
      const schema = {
        ...TAGS,
        operationId,
        summary,
        params: idParams,
        headers,
        body: limitsOfChild(maxRate),
        ...OPTIONAL_BODY,
        ...fails('illegal_state', 'nothing_undone', 'webhook_deleted', 'log_replaced', ...IDEMPOTENCY_FAILS),
        ...sends('location', 'idempotency-replayed'),
      };
      app.post(
        `/:id/${path}`,
        { preHandler, schema: { ...schema, response: { 202: replay } } },
        async (request, reply) => {
          const { tenant, name } = principalOf(request);
          const { reason = '', ...change } = request.body;
          const asked = { kind, change, by: name, why: reason };
          const kept = once(request, reply, created);
          const job = accepted(await store.takeUp(tenant, jobIdOf(request), asked, kept));
          if (job.version === 1) emit('job.requested', { jobId: job.id, webhookId: job.spec.webhookId });
          onReplayRequested();
          return reply.code(202).header('location', created.location(job)).send(created.show(job));
        },
      );
    }
    return Promise.resolve();
  };
}

function accepted(answer: JobView | TakeUpRefusal): JobView {
  if (typeof answer !== 'string') return answer;
  switch (answer) {
    case 'unknown_job':
      return noReplay();
    case 'no_webhook':
      throw new RepriseError(
        'webhook_deleted',
        'Its webhook was deleted; register it again and replay the range.',
      );
    case 'not_ended':
      throw new RepriseError(
        'illegal_state',
        'The replay has not ended; resume or cancel it, then ask again.',
      );
    case 'log_replaced':
      throw new RepriseError(
        'log_replaced',
        'The log under the replay was replaced, so its offsets no longer tell what was delivered; request its range anew with POST /v1/webhooks/{id}/replays.',
      );
    case 'gone':
      throw new RepriseError(
        'nothing_undone',
        'What the replay lists as gaps was removed from the log (retention or truncation) and cannot be read again.',
      );
    case 'nothing_undone':
      throw new RepriseError(
        'nothing_undone',
        'Everything of the replay is delivered, or with another replay.',
      );
  }
}
