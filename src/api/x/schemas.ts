// X's requests and answers for the OpenAPI document. They describe and do not check: parameters.ts does, in X's
// order and words.

import { Type, type TSchema } from 'typebox';
import { text } from '../fields.ts';
import { X_ERRORS, type XRefusal } from './errors.ts';
import { bodyOf, type Generation } from './refusals.ts';

export const TAGS = { tags: ['x'] };

const ID_FORM = '^[0-9]{1,19}$';
const MINUTE_FORM = '^[0-9]{12}$';
const webhookId = Type.String({
  pattern: ID_FORM,
  description: 'the webhook',
  examples: ['882705129484288003'],
});
const minute = (description: string, example: string) =>
  Type.String({
    pattern: MINUTE_FORM,
    description: `${description}, yyyymmddhhmm in UTC`,
    examples: [example],
  });

const range = {
  from_date: minute('first minute of the range', '202504242000'),
  to_date: minute('first minute after the range', '202504242200'),
};

export const rangeQuery = Type.Object(range);
export const replayParams = Type.Object({ webhook_id: webhookId });
export const webhookParams = Type.Object({ id: webhookId });
export const replayBody = Type.Object(
  { webhook_id: webhookId, ...range },
  { title: 'XReplayRequest', description: 'what to replay; members that nobody knows are overlooked' },
);
export const urlQuery = Type.Object({
  url: Type.String({ description: 'where events are POSTed to; may be sent as a form instead' }),
});

const job = {
  job_id: text('the replay, decimal'),
  created_at: Type.String({ format: 'date-time', description: 'when it was requested' }),
};
const REQUESTED = 'the replay was requested';
export const jobOf11 = Type.Object(job, {
  title: 'XJobWholeSeconds',
  description: `${REQUESTED}; created_at is in whole seconds`,
});
export const flatJob = Type.Object(job, { title: 'XJob', description: REQUESTED });
export const envelopedJob = Type.Object(
  { data: Type.Object(job, { description: 'the replay' }) },
  { title: 'XJobEnvelope', description: REQUESTED },
);

const webhookFields = {
  id: text('decimal'),
  url: text('where events are POSTed to'),
  valid: Type.Boolean({ description: 'whether it has passed its last CRC' }),
  created_at: Type.String({ format: 'date-time', description: 'when it was registered' }),
};
const webhook = Type.Object(webhookFields, { title: 'XWebhook', description: 'a webhook of profile x' });
export const webhookList = Type.Array(webhook, {
  title: 'XWebhookList',
  description: 'the webhooks of profile x, newest first',
});
export const newWebhook = Type.Object(
  { ...webhookFields, secret: text('the consumer secret of this webhook, told only here') },
  { title: 'XWebhookWithSecret', description: 'the webhook was registered' },
);

const errors = Type.Array(
  Type.Object({ code: Type.Integer({ description: 'X’s number' }), message: text('X’s text') }),
  { description: 'always one' },
);
const flatError = Type.Object({ errors }, { title: 'XErrors', description: 'X’s error of v1.1' });
const problemError = Type.Object(
  {
    type: text('about:blank'),
    title: text('the status in words'),
    status: Type.Integer({ description: 'the HTTP status' }),
    detail: text('X’s text'),
    errors,
  },
  { title: 'XProblem', description: 'X’s error of v2, a problem document (RFC 9457)' },
);

interface When {
  readonly description: string;
  /** By a name for readers. */
  readonly shown: Readonly<Record<string, XRefusal>>;
}

const NOT_READ = '358: a body that cannot be read, or any other refusal';
const WHEN = {
  400: {
    description:
      '214 webhook invalid; 357 missing, 358 unparsable, 360 negative id, 368 not in the past, 356 empty or too old',
    shown: {
      invalidWebhook: X_ERRORS.invalidWebhook(),
      missing: X_ERRORS.missing('from_date'),
      unparsable: X_ERRORS.unparsable(),
      negativeId: X_ERRORS.negativeId('-1'),
      notPast: X_ERRORS.notPast('to_date', '203001010000'),
      emptyRange: X_ERRORS.emptyRange(),
      tooOld: X_ERRORS.tooOld('5 days'),
    },
  },
  401: {
    description: '32: send `Authorization: Bearer <key>`',
    shown: { unauthorized: X_ERRORS.unauthorized() },
  },
  404: { description: '34: no such webhook', shown: { noWebhook: X_ERRORS.noWebhook() } },
  409: { description: '355: a replay of this webhook has not ended', shown: { busy: X_ERRORS.busy() } },
  429: {
    description: '88: too many replays of this webhook; Retry-After says when',
    shown: { tooMany: X_ERRORS.tooMany() },
  },
  500: { description: '0: something went wrong on our side', shown: { internal: X_ERRORS.internal() } },
  503: { description: '67: a dependency is away', shown: { unavailable: X_ERRORS.unavailable() } },
} as const satisfies Record<number, When>;

/** Of calls that manage webhooks. */
const BAD_TARGET: When = {
  description: '214 the URL cannot be used, or failed its CRC; 357 missing, 358 unparsable, 360 negative id',
  shown: { badTarget: X_ERRORS.badTarget('The address 10.0.0.7 is not public.') },
};

export type RefusalStatus = keyof typeof WHEN | 'target';

/** The answers of a route: its success, and the errors with these statuses; `target`: 400 of a managing call. */
export function answers(
  generation: Generation,
  status: number,
  success: TSchema | null,
  refusals: readonly RefusalStatus[],
): Record<string, unknown> {
  const failed = [...refusals, 401 as const, 500 as const, 503 as const].map((code) =>
    code === 'target'
      ? [400, refusal(generation, BAD_TARGET)]
      : [code, refusal(generation, WHEN[code], code)],
  );
  const done = success ?? Type.Null({ description: 'done' });
  const others = refusal(generation, { description: NOT_READ, shown: { unparsable: X_ERRORS.unparsable() } });
  return { [status]: done, ...Object.fromEntries(failed), default: others } as Record<string, unknown>;
}

const header = (description: string) => ({ type: 'string', description });
const RETRY_AFTER = { 'Retry-After': header('seconds') };
const HEADERS: Readonly<Record<number, object>> = {
  429: {
    ...RETRY_AFTER,
    RateLimit: header('what is left of the quota, and for how many seconds'),
    'RateLimit-Policy': header('the quota'),
    'x-rate-limit-limit': header('the quota'),
    'x-rate-limit-remaining': header('0'),
    'x-rate-limit-reset': header('when it allows one more, in seconds since 1970'),
  },
  503: RETRY_AFTER,
};

function refusal(generation: Generation, { description, shown }: When, status = 0): object {
  const headers = HEADERS[status];
  const examples = Object.fromEntries(
    Object.entries(shown).map(([name, error]) => [name, { value: bodyOf(generation, error) }]),
  );
  const content =
    generation === '1.1'
      ? { 'application/json': { schema: flatError, examples } }
      : { 'application/problem+json': { schema: problemError, examples } };
  return { description, content, ...(headers && { headers }) };
}
