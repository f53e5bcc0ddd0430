// The shapes of answers about replays, and those that all share. They carry only what is here, so a field of the store never leaks by accident.

import { Type, type Static } from 'typebox';
import type { Fact } from '../domain/fact.ts';
import { DEAD_LETTER_STATES } from '../domain/dead-letter.ts';
import { JOB_STATES, READ_MODES } from '../domain/job.ts';
import { count, countFields } from './counts.ts';
import { id, instant, maybeInteger, maybeText, text } from './fields.ts';
import { filtersShown } from './filters.ts';

const EVIDENCE =
  'what shows that a mirrored copy had everything when its end was pinned: endOffsets (the last record of its ' +
  'upstream was seen in it), heartbeats (weaker) or none; null = nothing had to be shown';
const offset = (of: string) => Type.String({ description: `${of} (an offset, decimal)` });

const replayFields = {
  id,
  webhookId: id,
  kind: Type.Enum(['range', 'plan', 'dead_letters', 'remainder'], {
    description: 'a range, a plan, the dead letters of its parent, or all that its parent left undone',
  }),
  planId: maybeText('the plan whose offsets it reads, null for others'),
  groupId: maybeText('the replay group that it belongs to'),
  parentId: maybeText('the replay that it takes up, null for a range'),
  state: Type.Enum([...JOB_STATES], { description: 'where the replay stands' }),
  outcome: maybeText('complete, incomplete (see counts and gaps), or null before its end'),
  from: instant('first instant of the range'),
  to: instant('first instant after the range'),
  filters: filtersShown,
  counts: Type.Object(
    {
      ...countFields,
      onlyIn: Type.Record(Type.String(), Type.Integer(), {
        description: 'with read union: per site the events that no other site had; else empty',
      }),
    },
    { description: 'what happened so far, in events' },
  ),
  cut: Type.Record(
    Type.String(),
    Type.Object({ next: offset('next to settle'), owed: count('unsettled before it') }),
    {
      description: 'per source what is settled',
    },
  ),
  fence: Type.Integer({ description: 'rises with each claim' }),
  duplicateBound: count('the most events that may have been repeated so far'),
  disorder: Type.Object(
    {
      seenMs: Type.Integer({ description: 'the largest step back in time met in the log' }),
      slackMs: Type.Integer({ description: 'how far behind `to` a bounded scan looks for late records' }),
    },
    { description: 'how far the log is out of order, against what the deployment reckons with' },
  ),
  rate: Type.Unsafe<number | null>({
    type: ['number', 'null'],
    description: 'delivered events/s over the last seconds',
  }),
  etaMs: maybeInteger('ms until the end at the present rate'),
  waitingUntil: maybeText('until when the end of the range waits for late records (RFC 3339)'),
  createdAt: instant('when it was requested'),
  updatedAt: instant('when it last moved'),
  finishedAt: maybeText('when it ended (RFC 3339)'),
  phase: maybeText('what its owner does now'),
  rebuilt: Type.Unsafe<{ done: number; of: number } | null>({
    type: ['object', 'null'],
    properties: {
      done: { type: 'integer', description: 'offsets read again' },
      of: { type: 'integer', description: 'offsets below the cut' },
    },
    required: ['done', 'of'],
    description: 'in phase rebuilding: how far the dedupe memory is refilled',
  }),
  waiting: maybeText('what its owner waits for now'),
  wanted: maybeText('pause or cancel, while the owner has not done it'),
  pauseReason: maybeText('why it is paused'),
  failReason: maybeText('why it failed'),
  owner: maybeText('the instance that runs it'),
  reclaims: count('takeovers after the loss of an owner'),
  heartbeatAt: maybeText('last sign of life of its owner (RFC 3339)'),
  site: maybeText('the site that is read; several, joined by +, with read union'),
  read: Type.Enum([...READ_MODES], {
    description: 'failover: one site, another one when it fails; union: all sites at once',
  }),
  evidence: maybeText(
    `the weakest among the copies that are read, of those that needed one: ${EVIDENCE}; also null while an end is open`,
  ),
  partition: maybeInteger('the partition of the webhook’s key'),
  pins: Type.Array(
    Type.Object({
      source: text('site/topic'),
      topic: text('topic'),
      partition: Type.Integer({ description: 'partition of the topic' }),
      start: offset('first to read'),
      end: maybeText('first not to read; null while the range is too young, or the copy not proven yet'),
      copyOf: maybeText('the source that MirrorMaker copies this one from; null of an own topic'),
      evidence: maybeText(EVIDENCE),
      left: Type.Boolean({ description: 'its site was left: nothing new is read there' }),
    }),
    { description: 'what is read of each source' },
  ),
  gaps: Type.Array(
    Type.Object({
      source: text('site/topic'),
      from: offset('first unreadable'),
      to: offset('first readable again'),
      reason: text('why it could not be read'),
      filledBy: maybeText('the site that was read whole instead (* = all together); null = may be missing'),
    }),
    { description: 'what could not be read' },
  ),
  limits: Type.Object(
    {
      maxRate: maybeInteger('events/s of this replay'),
      concurrency: maybeInteger('requests in flight of this replay'),
    },
    { description: 'its own limits; null = none beside those of webhook and deployment' },
  ),
  order: Type.Enum(['any', 'strict'], {
    description: 'any: oldest first, many in flight; strict: one in flight, none overtakes',
  }),
  scan: Type.Enum(['bounded', 'full'], { description: 'how far behind `to` is read' }),
  version: Type.Integer({ description: 'seq of its last transition' }),
};
export const replay = Type.Object(replayFields, { title: 'Replay', description: 'a replay as it is now' });
/** What a stream tells as it moves; the long lists (pins, gaps) are read where they are shown. */
export const PROGRESS_FIELDS = [
  ...([
    'id',
    'state',
    'outcome',
    'counts',
    'cut',
    'fence',
    'duplicateBound',
    'disorder',
    'rate',
    'etaMs',
  ] as const),
  ...([
    'waitingUntil',
    'updatedAt',
    'finishedAt',
    'phase',
    'rebuilt',
    'waiting',
    'wanted',
    'pauseReason',
  ] as const),
  ...(['failReason', 'owner', 'reclaims', 'heartbeatAt', 'site', 'limits', 'version'] as const),
] as const;
export const replayProgress = Type.Pick(replay, [...PROGRESS_FIELDS], {
  title: 'ReplayProgress',
  description: 'what of a replay moves',
});
export type ReplayAnswer = Static<typeof replay>;

const deadLetterFields = {
  replayId: Type.String({ description: 'the replay that gave it up first' }),
  source: text('site/topic'),
  partition: Type.Integer({ description: 'partition of the topic' }),
  offset: offset('where its record is'),
  eventId: text('its webhook-id'),
  eventTime: instant('the record’s time'),
  reason: text('why it was given up'),
  lastStatus: maybeInteger('the last HTTP status; null when no attempt was answered'),
  attempts: count('attempts of the replay that tried it last'),
  state: Type.Enum([...DEAD_LETTER_STATES], {
    description: 'open; replaying; delivered; expired: its record is gone from the log',
  }),
  byReplayId: maybeText('the replay that sends it again, or did last'),
};
export const deadLetter = Type.Object(deadLetterFields, {
  title: 'DeadLetter',
  description: 'an event that was given up, as a place in the log',
});
export type DeadLetterAnswer = Static<typeof deadLetter>;

const transitionFields = {
  seq: Type.Integer({ description: '1, 2, 3 ... without a gap' }),
  type: text('the fact'),
  from: maybeText('state before; null before the first'),
  to: text('state after'),
  fence: Type.Integer({ description: 'the fence it was written under' }),
  owner: maybeText('the instance that held the lease'),
  at: instant('when, by the database’s clock'),
  by: maybeText('who asked for it'),
  why: maybeText('the reason given'),
  body: Type.Unsafe<Fact>({
    type: 'object',
    additionalProperties: true,
    description: 'the fact as it is stored',
  }),
};
export const transition = Type.Object(transitionFields, {
  title: 'Transition',
  description: 'one persisted step of a replay',
});
export type TransitionAnswer = Static<typeof transition>;

/** A page of a named schema is a named one too. */
export const pageOf = <Item extends Parameters<typeof Type.Array>[0] & { title?: string }>(item: Item) =>
  Type.Object(
    {
      items: Type.Array(item, { description: 'what is on this page' }),
      nextCursor: maybeText('pass as `cursor` to go on; null at the end'),
    },
    { ...(item.title && { title: `${item.title}Page` }), description: 'a page of a list' },
  );

export const problem = Type.Object(
  {
    type: text('/problems/<code>'),
    title: text('the same for each code'),
    status: Type.Integer({ description: 'the HTTP status' }),
    code: text('stable name of the error; docs/ERRORS.md lists them'),
    detail: text('what happened and what to do'),
    retryable: Type.Boolean({ description: 'whether asking again may help' }),
    instance: Type.Optional(text('urn:uuid: of the request')),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: text('JSON pointer into the body, or a parameter'),
          detail: text('what is wrong and what is allowed'),
        }),
        { description: 'each fault of the request' },
      ),
    ),
  },
  { title: 'Problem', description: 'problem document (RFC 9457), application/problem+json' },
);
