// The route of a replay's completion manifest. Owned here: how much of it one answer holds: memory is bounded by the
// page, and the manifest of five days fits in one.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { manifestOf } from '../domain/manifest.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';
import { manifest } from './completion-events.ts';
import { pageAnswer, pageRequest } from './cursor.ts';
import { jobIdOf, noReplay } from './replay-lookup.ts';
import { idParams, pageQuery } from './requests.ts';

/** A minute is 250 bytes: an answer is 2.5 MB at most. */
const MOST_MINUTES = 10_000;

const query = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MOST_MINUTES,
        default: MOST_MINUTES,
        description: `an integer from 1 to ${MOST_MINUTES} (minutes)`,
      }),
    ),
    cursor: pageQuery.properties.cursor,
  },
  { additionalProperties: false },
);

export function manifestRoute({ store }: { readonly store: ReplayStore }): FastifyPluginAsyncTypebox {
  return async (app) => {
    const schema = {
      tags: ['replays'],
      operationId: 'getManifest',
      summary: 'Read what a replay delivered, per minute, in a form that a receiver can check',
      params: idParams,
      querystring: query,
      response: { 200: manifest },
    };
    app.get('/:id/manifest', { schema }, async (request) => {
      const id = jobIdOf(request);
      const list = `manifest/${id}`;
      const wanted = pageRequest(list, { limit: MOST_MINUTES, ...request.query });
      const page = (await store.manifest(principalOf(request).tenant, id, wanted)) ?? noReplay();
      const { nextCursor } = pageAnswer(list, { items: [], nextCursor: page.nextCursor }, String);
      const { minutes, ...rest } = manifestOf(page.job, page.minutes);
      return { ...rest, minutes: [...minutes], nextCursor };
    });
    return Promise.resolve();
  };
}
