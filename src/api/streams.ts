// Route of a replay's stream of events. Owned here: who may read it, from where, and that a limit or an unknown id is
// an answer like any other before the first byte of the stream.
//
// A client that has everything of an ended replay gets 204, which tells an EventSource not to ask again.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { RepriseError } from '../domain/errors.ts';
import type { JobView } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import { principalOf } from './access.ts';
import { PROGRESS_FIELDS } from './answers.ts';
import { NO_BODY } from './conditional.ts';
import { EventStream } from './event-stream.ts';
import type { ReplayRoutes } from './replays.ts';
import { jobIdOf, noReplay } from './replay-lookup.ts';
import { fails } from './operation.ts';
import { idParams } from './requests.ts';
import { StreamHub, type StreamLimits } from './stream-hub.ts';
import { showReplay } from './views.ts';

export interface StreamRoutes extends ReplayRoutes {
  readonly streams: StreamLimits & {
    /** Between two looks at the database while a stream is open. */
    readonly pollMs: number;
    /** Silence after which a comment is sent. */
    readonly heartbeatMs: number;
    /** How long a client may leave what it was sent unread. */
    readonly stallMs: number;
  };
}

const SEQ = '^[0-9]{1,9}$';
const FROM = 'the id of the last event that was read; the stream goes on behind it';

const EVENTS =
  'Server-sent events. `transition`: an item of /transitions, with its seq as `id`; each comes once and in order. ' +
  '`progress`: a ReplayProgress, when it moved; without an id. `end`: a ReplayProgress of the ended replay, then the ' +
  'stream is over. A comment comes every 15 s.';

const schema = {
  tags: ['replays'],
  operationId: 'streamReplay',
  summary: 'Follow a replay: its transitions and its progress as they come',
  params: idParams,
  ...fails('too_many_requests', 'streams_full'),
  headers: Type.Object({
    'last-event-id': Type.Optional(Type.String({ pattern: SEQ, description: FROM })),
  }),
  querystring: Type.Object(
    {
      lastEventId: Type.Optional(
        Type.String({ pattern: SEQ, description: `${FROM}; the header Last-Event-ID counts more` }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    200: { description: EVENTS, content: { 'text/event-stream': { schema: Type.String() } } },
    204: Type.Null({ description: 'the replay has ended and the client has all of it' }),
  },
};

export function streamRoutes(options: StreamRoutes): FastifyPluginAsyncTypebox {
  const { store, emit, streams } = options;
  const { heartbeatMs, stallMs, ...limits } = streams;
  const hub = new StreamHub({
    ...limits,
    store,
    emit,
    progress: (job) => JSON.stringify(progressOf(job, options)),
  });
  return async (app) => {
    // Before the server waits for its connections.
    app.addHook('preClose', (done) => {
      hub.close();
      done();
    });
    app.get('/:id/stream', { schema, exposeHeadRoute: false }, async (request, reply) => {
      const { tenant } = principalOf(request);
      const id = jobIdOf(request);
      const after = Number(request.headers['last-event-id'] ?? request.query.lastEventId ?? 0);
      const leave = hub.admit(tenant);
      const hasAll = await hasEverything(store.replay(tenant, id), after).catch((error: unknown) => {
        leave();
        throw error;
      });
      if (hasAll) {
        leave();
        return reply.code(204).send(NO_BODY);
      }
      reply.hijack();
      const stream = new EventStream(reply.raw, {
        headers: reply.getHeaders(),
        heartbeatMs,
        stallMs,
        onRoom: () => {
          hub.wake();
        },
        onDropped: () => emit('stream.dropped', { jobId: id }),
        onClosed: leave,
      });
      hub.follow(id, stream, after);
      return reply;
    });
    return Promise.resolve();
  };
}

/** Whether a client that read up to `after` knows all that there will ever be. */
async function hasEverything(found: Promise<JobView | null>, after: number): Promise<boolean> {
  const job = (await found) ?? noReplay();
  if (after > job.version) throw notSent(job);
  return after === job.version && statesTagged('terminal').includes(job.state);
}

function notSent({ version }: JobView): RepriseError {
  const detail = `is not an event of this replay; allowed: 0 to ${version}`;
  return new RepriseError('invalid_request', `The last event id ${detail}.`, {
    faults: [{ pointer: 'lastEventId', detail }],
  });
}

function progressOf(job: JobView, options: ReplayRoutes): object {
  const shown = showReplay(job, options);
  return Object.fromEntries(PROGRESS_FIELDS.map((name) => [name, shown[name]]));
}
