// The OpenAPI 3.1 description, made from the routes' own schemas (named-schemas.ts moves those with a name to the
// components), their errors (operation-answers.ts), examples (examples.ts) and what webhooks receive (deliveries.ts).

import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { problem, replayProgress, transition } from './answers.ts';
import { RECEIVED } from './deliveries.ts';
import { EXAMPLES } from './examples.ts';
import { HEADERS } from './headers.ts';
import { nameSchemas } from './named-schemas.ts';
import { completeAnswers, tellHeaders } from './operation-answers.ts';
import type { Answer, ErrorAnswers, Operation } from './operation-answers.ts';
import { PROBLEM_JSON } from './problems.ts';
import { generationOf } from './x/refusals.ts';

const ABOUT = `Replays a time range of a webhook’s events out of Kafka.

Times are RFC 3339 in UTC, ranges half-open \`[from, to)\`, ids and offsets decimal strings. Unknown fields are refused.
Errors are \`${PROBLEM_JSON}\` (RFC 9457) with a stable \`code\`; \`retryable\` tells whether the same request may
succeed later. Any path may also answer 404 \`no_such_route\` and 405 \`method_not_allowed\` (with \`Allow\`), and
requests that are no HTTP, have too large headers or arrive too slowly end with 400, 431 or 408 before they reach a
route. Lists are pages: pass \`nextCursor\` as \`cursor\` until it is null.`;

/** The groups of operations, in the order of the description. */
const TAGS = [
  { name: 'webhooks', description: 'Receivers: where events go, how fast, how they are packed and signed.' },
  {
    name: 'replays',
    description: 'Requests to replay a range: ask, follow, steer, take up what was left undone.',
  },
  {
    name: 'plans',
    description:
      'What a replay of a range would read, asked for beforehand, and pinned for the one run of it.',
  },
  {
    name: 'replay groups',
    description: 'The same range of many webhooks at once: ask, follow and steer all of its replays.',
  },
  {
    name: 'x',
    description:
      'X’s Account Activity Replay API in its three generations, a translation: X’s parameters, answers and errors. ' +
      'Absent with `REPRISE_X_API=off`.',
  },
  { name: 'deliveries', description: 'What webhooks receive.' },
  { name: 'operation', description: 'For those who run it. No key is needed.' },
];

/** Call before any route is added. */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Reprise',
        version,
        description: ABOUT,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } as { name: string },
      },
      servers: [{ url: '/', description: 'The deployment that serves this description.' }],
      tags: TAGS,
      security: [{ apiKey: [] }],
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description:
              'An API key, as `Authorization: Bearer <key>`. What another tenant owns is not found.',
          },
        },
      },
    },
  });
}

interface Description {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, unknown>;
  webhooks: Record<string, Record<string, Operation>>;
}

/** The document; call when the app is ready. */
export function openApiDocument(app: FastifyInstance): object {
  const { paths, components, ...head } = app.swagger() as unknown as Description;
  const schemas: Record<string, unknown> = {};
  const named = nameSchemas(
    { paths, webhooks: RECEIVED, problem, replayProgress, transition },
    schemas,
  ) as Description;
  const errors: ErrorAnswers = {};
  for (const [path, operations] of Object.entries(named.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      giveExamples(operation);
      // X's routes name their own errors.
      if (generationOf(path) === null) completeAnswers(method, path, operation, errors);
      else tellHeaders(operation);
    }
  }
  for (const operation of Object.values(named.webhooks).flatMap(Object.values<Operation>))
    giveExamples(operation);
  const byName = <Value>(values: Record<string, Value>): Record<string, Value> =>
    Object.fromEntries(Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1)));
  return {
    ...head,
    paths: named.paths,
    webhooks: named.webhooks,
    components: { ...components, headers: HEADERS, responses: byName(errors), schemas: byName(schemas) },
  };
}

/** The example of a named schema, wherever a body has it. */
function giveExamples({ requestBody, responses }: Operation): void {
  const answers = Object.values(responses).filter((answer): answer is Answer => 'description' in answer);
  for (const media of [requestBody, ...answers].flatMap((part) => Object.values(part?.content ?? {}))) {
    const name = (media.schema as { $ref?: string } | undefined)?.$ref?.split('/').at(-1);
    if (name !== undefined && name in EXAMPLES) media.example ??= EXAMPLES[name];
  }
}
