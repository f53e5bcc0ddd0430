// The OpenAPI 3.1 description, made from the routes' own schemas, with what deliveries look like beside them.

import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { problem, replayProgress, transition } from './answers.ts';
import { PROBLEM_JSON } from './problems.ts';

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
});

/** What a webhook receives: one request per event, signed as in Standard Webhooks 1.0.0. */
const DELIVERY = {
  event: {
    post: {
      summary: 'One replayed event',
      description:
        'The body is the value of the record, unchanged. Any 2xx settles the event; anything else is tried again.',
      security: [],
      parameters: [
        header('webhook-id', 'stable id of the event, the same in each attempt and each replay'),
        header('webhook-timestamp', 'seconds since 1970 of this attempt'),
        header('webhook-signature', 'space-separated v1,<base64> of HMAC-SHA256 over id.timestamp.body'),
        header('reprise-job-id', 'the replay'),
        header('reprise-fence', 'rises when another instance takes the replay over'),
        header('reprise-event-time', 'original time of the event (RFC 3339)'),
        header('reprise-attempt', '1, 2, 3 ... of this event by this owner'),
      ],
      requestBody: { content: { 'application/json': { schema: {} } } },
      responses: { '2XX': { description: 'the event is delivered' } },
    },
  },
};

/** Call before any route is added. */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Reprise',
        version,
        description:
          'Replays a time range of a webhook’s events out of Kafka. Times are RFC 3339 in UTC, ranges half-open ' +
          `[from, to), ids and offsets decimal strings, errors ${PROBLEM_JSON} (RFC 9457).`,
      },
      security: [{ apiKey: [] }],
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
    },
  });
}

interface Operation {
  responses: Record<string, unknown>;
}
interface Description {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, unknown>;
}

const FAILED = {
  description: 'what went wrong',
  content: { [PROBLEM_JSON]: { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** The document; call when the app is ready. */
export function openApiDocument(app: FastifyInstance): object {
  const document = structuredClone(app.swagger()) as unknown as Description;
  for (const operation of Object.values(document.paths).flatMap(Object.values<Operation>)) {
    // X's routes name their own errors.
    operation.responses = { default: FAILED, ...operation.responses };
  }
  document.components = {
    ...document.components,
    schemas: { Problem: problem, ReplayProgress: replayProgress, Transition: transition },
  };
  return { ...document, webhooks: DELIVERY };
}
