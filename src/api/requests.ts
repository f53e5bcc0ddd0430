// The shapes of requests. They refuse unknown fields; what a schema cannot say (bytes of a key, the range's
// instants, the webhook's target) is checked where it is used.

import { Type } from 'typebox';
import { COMPLETION_TYPES } from '../domain/completion.ts';
import { READ_MODES } from '../domain/job.ts';
import { BATCH_LIMITS, DELIVERY_MODES } from '../domain/message.ts';
import { WEBHOOK_PROFILES } from '../domain/proof.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './cursor.ts';
import { id, maybeInteger } from './fields.ts';
import { filtersField } from './filters.ts';
import { TOLD_AS } from './named-schemas.ts';
import { INSTANT_FORM } from './range.ts';
import { contentTypeField, headersField } from './request-profile.ts';

const MAX_CONCURRENCY = 1024;
const MAX_URL = 2048;
const CLOSED = { additionalProperties: false } as const;

const rateLimit = (maxRate: number) =>
  maybeInteger(`an integer from 1 to ${maxRate} (events/s), or null for no own limit`, {
    minimum: 1,
    maximum: maxRate,
  });
const concurrencyLimit = maybeInteger(
  `an integer from 1 to ${MAX_CONCURRENCY} (requests in flight), or null for the deployment's own`,
  { minimum: 1, maximum: MAX_CONCURRENCY },
);
const url = Type.String({
  minLength: 1,
  maxLength: MAX_URL,
  description: `an http(s) URL of at most ${MAX_URL} characters`,
});
const description = Type.String({ maxLength: 500, description: 'text of at most 500 characters' });

const batchLimit = (of: string, { least, most, usual }: { least: number; most: number; usual: number }) =>
  Type.Integer({
    minimum: least,
    maximum: most,
    default: usual,
    description: `an integer from ${least} to ${most} (${of} at most; default ${usual})`,
  });
const delivery = Type.Object(
  {
    mode: Type.Enum([...DELIVERY_MODES], {
      description:
        'single (one event per request; the default), ndjson (application/x-ndjson, one event per line) or ' +
        'json-array (application/json, an array of events)',
    }),
    maxEvents: Type.Optional(batchLimit('events in one request', BATCH_LIMITS.maxEvents)),
    maxBytes: Type.Optional(batchLimit('bytes of one body', BATCH_LIMITS.maxBytes)),
  },
  {
    ...CLOSED,
    description: 'an object with mode, maxEvents and maxBytes: how events are packed; replaced as a whole',
  },
);

const notifications = Type.Array(Type.Enum([...COMPLETION_TYPES]), {
  uniqueItems: true,
  maxItems: COMPLETION_TYPES.length,
  description:
    `a list of ${COMPLETION_TYPES.join(', ')}, each at most once: the completion events of its replays that are ` +
    'sent to it; none by default, replaced as a whole',
});
const profile = Type.Enum([...WEBHOOK_PROFILES], {
  description:
    'standard (Standard Webhooks; the default) or x (signed and checked as by X besides, with the whole secret as key)',
});

export const webhookDraft = (maxRate: number) =>
  Type.Object(
    {
      url,
      key: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 255,
          description:
            'the Kafka record key of its events, 1 to 255 bytes of UTF-8 (admin keys only); by default the id',
        }),
      ),
      description: Type.Optional(description),
      maxRate: Type.Optional(rateLimit(maxRate)),
      concurrency: Type.Optional(concurrencyLimit),
      delivery: Type.Optional(delivery),
      contentType: Type.Optional(contentTypeField),
      headers: Type.Optional(headersField),
      notifications: Type.Optional(notifications),
      profile: Type.Optional(profile),
    },
    { ...CLOSED, title: 'WebhookDraft' },
  );

export const webhookChange = (maxRate: number) =>
  Type.Object(
    {
      url: Type.Optional(url),
      description: Type.Optional(description),
      maxRate: Type.Optional(rateLimit(maxRate)),
      concurrency: Type.Optional(concurrencyLimit),
      delivery: Type.Optional(delivery),
      contentType: Type.Optional(contentTypeField),
      headers: Type.Optional(headersField),
      notifications: Type.Optional(notifications),
      profile: Type.Optional(profile),
      rotateSecret: Type.Optional(
        Type.Literal(true, { description: 'true: a new secret is made and told once in this answer' }),
      ),
    },
    { ...CLOSED, minProperties: 1, title: 'WebhookChange' },
  );

export const replayDraft = (maxRate: number) =>
  Type.Object(
    {
      from: Type.String({ maxLength: 40, description: INSTANT_FORM, examples: ['2026-01-31T09:30:00Z'] }),
      to: Type.String({ maxLength: 40, description: INSTANT_FORM, examples: ['2026-01-31T10:30:00Z'] }),
      maxRate: Type.Optional(rateLimit(maxRate)),
      concurrency: Type.Optional(concurrencyLimit),
      filters: Type.Optional(filtersField),
      order: Type.Optional(
        Type.Enum(['any', 'strict'], {
          description:
            'any (oldest first, many in flight; the default) or strict (one in flight, none overtakes another)',
        }),
      ),
      scan: Type.Optional(
        Type.Enum(['bounded', 'full'], {
          description:
            'bounded (stops behind the disorder slack after `to`; the default) or full (to the end of the log)',
        }),
      ),
      read: Type.Optional(
        Type.Enum([...READ_MODES], {
          description:
            'failover (one site, another one when it fails; the default) or union (all sites at once: also an ' +
            'event that reached only one of them)',
        }),
      ),
    },
    { ...CLOSED, title: 'ReplayDraft' },
  );

const planIdField = Type.String({
  maxLength: 40,
  description:
    'instead of from and to, the id of a plan of this webhook: exactly its offsets are read. A plan runs once; ' +
    'beside it only maxRate and concurrency may be given',
  examples: ['882705129484288003'],
});
const planRun = (maxRate: number) =>
  Type.Object(
    {
      planId: planIdField,
      maxRate: Type.Optional(rateLimit(maxRate)),
      concurrency: Type.Optional(concurrencyLimit),
    },
    { ...CLOSED, title: 'PlanRun', description: 'runs exactly the offsets of a plan, once' },
  );

/** A replay of a range or of a plan; which fields go together is checked in plan-runs.ts, in better words. */
export const replayRequest = (maxRate: number) =>
  Type.Object(
    {
      ...Type.Partial(replayDraft(maxRate)).properties,
      planId: Type.Optional(planIdField),
    },
    {
      ...CLOSED,
      [TOLD_AS]: {
        title: 'ReplayRequest',
        description: 'a range, or a plan',
        oneOf: [replayDraft(maxRate), planRun(maxRate)],
      },
    },
  );

const reason = Type.Optional(
  Type.String({ maxLength: 500, description: 'why, for the history: text of at most 500 characters' }),
);

export const steeringReason = Type.Object({ reason }, { ...CLOSED, title: 'SteeringReason' });

const limits = (maxRate: number) => ({
  maxRate: Type.Optional(rateLimit(maxRate)),
  concurrency: Type.Optional(concurrencyLimit),
  reason,
});

/** Limits of a replay that takes up another one; what is absent stays as the other has it. */
export const limitsOfChild = (maxRate: number) =>
  Type.Object(limits(maxRate), { ...CLOSED, title: 'LimitsOfChild' });

export const limitsChange = (maxRate: number) =>
  Type.Object(limits(maxRate), { ...CLOSED, minProperties: 1, title: 'LimitsChange' });

export const pageFields = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
      description: `an integer from 1 to ${MAX_LIMIT}`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 200, description: 'the nextCursor of an earlier answer, unchanged' }),
  ),
};
export const pageQuery = Type.Object(pageFields, CLOSED);

export const idParams = Type.Object({ id });
