// The shapes of completion manifests and of the completion events that webhooks are sent: one description for the
// route that answers them, for the OpenAPI document, and for whoever writes a receiver.

import { Type, type Static, type TObject } from 'typebox';
import { COMPLETION_TYPES } from '../domain/completion.ts';
import { JOB_STATES } from '../domain/job.ts';
import { count, countFields } from './counts.ts';
import { instant, maybeText, text } from './fields.ts';

const digest = (of: string) =>
  Type.String({
    pattern: '^[0-9a-f]{64}$',
    description: `sum modulo 2^256 of SHA-256(webhook-id) over ${of}, 64 hex characters`,
  });

const counts = Type.Object(countFields, { description: 'what happened, in events' });

const headFields = {
  replayId: text('the replay'),
  webhookId: text('its webhook'),
  kind: text('range, plan, dead_letters or remainder'),
  parentId: maybeText('the replay that it takes up'),
  state: Type.Enum([...JOB_STATES], { description: 'where the replay stood' }),
  outcome: maybeText('complete or incomplete; null of a replay that is not COMPLETED'),
  pauseReason: maybeText('why it was paused'),
  failReason: maybeText('why it failed'),
  final: Type.Boolean({ description: 'the replay has ended: nothing of this will change' }),
  from: instant('first instant of the range'),
  to: instant('first instant after the range'),
  identity: text('what names an event without an `event-id` header: value or value+time'),
  order: text('any or strict'),
  counts,
  reclaims: count('takeovers after the loss of an owner'),
  duplicateBound: count('the most events that may have been repeated'),
  disorderMs: count('the largest step back in time met in the log'),
  version: count('seq of its last transition'),
  createdAt: instant('when it was requested'),
  updatedAt: instant('when it last moved; its end when it has ended'),
  manifest: text('the path of the whole manifest'),
};

const sources = Type.Array(
  Type.Object({
    source: text('site/topic'),
    site: text('site'),
    topic: text('topic'),
    partition: Type.Integer({ description: 'partition' }),
    start: text('first offset read (decimal)'),
    end: maybeText('first offset not read (decimal); null while it is not pinned'),
    copyOf: maybeText('the source that it is a mirrored copy of'),
    evidence: maybeText('what shows that a copy was whole: endOffsets, heartbeats or none'),
    left: Type.Boolean({ description: 'its site was left before the end' }),
  }),
  { description: 'offset ranges that were read' },
);

const gaps = Type.Array(
  Type.Object({
    source: text('site/topic'),
    from: text('first unreadable offset (decimal)'),
    to: text('first readable offset again (decimal)'),
    reason: text('why it could not be read'),
    filledBy: maybeText('the site that was read whole instead (* = all together)'),
  }),
  { description: 'pieces of the log that could not be read' },
);

const minutes = Type.Array(
  Type.Object({
    minute: instant('its first instant; of the events’ own times, not of their delivery'),
    delivered: count('events of this minute that were answered with 2xx'),
    deliveredDigest: digest('these'),
    deadLettered: count('events of this minute that were given up'),
    deadLetteredDigest: digest('these'),
    resent: Type.Boolean({ description: 'all of it was sent a second time: the receiver may have more' }),
  }),
  { description: 'oldest first; minutes in which nothing was settled are left out' },
);

const manifestFields = {
  ...headFields,
  sources,
  gaps,
  minutes,
  nextCursor: maybeText('pass as `cursor` for the minutes that follow; null at the end'),
};
export const manifest = Type.Object(manifestFields, {
  title: 'Manifest',
  description: 'what a replay delivered, per minute, in a form that its receiver can check',
});
export type ManifestAnswer = Static<typeof manifest>;

const orNull = (list: typeof sources | typeof gaps | typeof minutes) =>
  Type.Union([list, Type.Null()], { description: 'as in the manifest; null = left out here' });

const dataFields = {
  ...headFields,
  gapCount: count('gaps of the replay'),
  minuteCount: count('minutes of its manifest'),
  sources: orNull(sources),
  gaps: orNull(gaps),
  minutes: orNull(minutes),
};

/** The body of a completion event: `webhooks` of the OpenAPI document. */
export const completionEvent: TObject = Type.Object(
  {
    type: Type.Enum([...COMPLETION_TYPES], { description: 'what happened to the replay' }),
    timestamp: instant('when it happened'),
    data: Type.Object(dataFields, { description: 'the manifest; lists that are too long are left out' }),
  },
  {
    title: 'CompletionEvent',
    description: 'told to a webhook that asked for it, when a replay ended or paused',
  },
);
