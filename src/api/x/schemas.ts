// X's requests and answers for the OpenAPI document. They describe and do not check: parameters.ts does, in X's
// order and words.

import { Type, type TSchema } from 'typebox';
import { text } from '../fields.ts';
import type { Generation } from './refusals.ts';

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
export const replayBody = Type.Object({ webhook_id: webhookId, ...range });
export const urlQuery = Type.Object({
  url: Type.String({ description: 'where events are POSTed to; may be sent as a form instead' }),
});

const job = {
  job_id: text('the replay, decimal'),
  created_at: Type.String({ format: 'date-time', description: 'when it was requested' }),
};
export const flatJob = Type.Object(job);
export const envelopedJob = Type.Object({ data: Type.Object(job) });

const webhookFields = {
  id: text('decimal'),
  url: text('where events are POSTed to'),
  valid: Type.Boolean({ description: 'whether it has passed its last CRC' }),
  created_at: Type.String({ format: 'date-time', description: 'when it was registered' }),
};
export const webhook = Type.Object(webhookFields);
export const newWebhook = Type.Object({
  ...webhookFields,
  secret: text('the consumer secret of this webhook, told only here'),
});

const errors = Type.Array(
  Type.Object({ code: Type.Integer({ description: 'X’s number' }), message: text('X’s text') }),
);
const flatError = Type.Object({ errors });
const problemError = Type.Object({
  type: text('about:blank'),
  title: text('the status in words'),
  status: Type.Integer(),
  detail: text('X’s text'),
  errors,
});

const WHEN: Readonly<Record<string, string>> = {
  400: '214 webhook invalid; 357 missing, 358 unparsable, 360 negative id, 368 not in the past, 356 empty or too old',
  401: '32: send `Authorization: Bearer <key>`',
  404: '34: no such webhook',
  409: '355: a replay of this webhook has not ended',
  429: '88: too many replays of this webhook; Retry-After says when',
  500: '0: something went wrong on our side',
  503: '67: a dependency is away',
};

/** The answers of a route: its success, and the errors with these statuses. */
export function answers(
  generation: Generation,
  status: number,
  success: TSchema | null,
  refusals: readonly number[],
): Record<string, unknown> {
  const form =
    generation === '1.1'
      ? { 'application/json': { schema: flatError } }
      : { 'application/problem+json': { schema: problemError } };
  const failed = [...refusals, 401, 500, 503].map((code) => [code, refusal(form, WHEN[code] ?? '', code)]);
  const done = success ?? Type.Null({ description: 'done' });
  const others = refusal(form, 'any other refusal');
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

function refusal(content: object, description: string, status = 0): object {
  const headers = HEADERS[status];
  return { description, content, ...(headers && { headers }) };
}
