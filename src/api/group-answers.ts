// The shapes of requests and answers about replay groups, and how a group is shown.

import { Type, type Static } from 'typebox';
import { GROUP_REFUSALS, GROUP_STATES, MAX_GROUP, REFUSED_SHOWN, SUMMED_COUNTS } from '../domain/group.ts';
import type { GroupRefusal, GroupSummary, GroupView } from '../domain/group.ts';
import { JOB_STATES } from '../domain/job.ts';
import { id, instant, maybeInteger, text } from './fields.ts';
import { formatInstant } from './range.ts';
import { replayDraft } from './requests.ts';

const VERBS = ['pause', 'resume', 'cancel'] as const;

export const groupDraft = (maxRate: number) => {
  const { maxRate: each, ...range } = replayDraft(maxRate).properties;
  return Type.Object(
    {
      ...range,
      maxRate: Type.Optional(
        Type.Unsafe<number | null>({
          ...each,
          description:
            `an integer from 1 to ${maxRate} (events/s of each replay of the group, not of all together), or null ` +
            'for no own limit',
        }),
      ),
      webhookIds: Type.Optional(
        Type.Array(Type.String({ maxLength: 19, description: 'the id of a webhook' }), {
          minItems: 1,
          maxItems: MAX_GROUP,
          description: `1 to ${MAX_GROUP} ids of webhooks; one that is named twice is taken once`,
        }),
      ),
      all: Type.Optional(
        Type.Literal(true, { description: 'true, instead of webhookIds: every webhook that there is now' }),
      ),
    },
    { additionalProperties: false, title: 'ReplayGroupDraft' },
  );
};
export type GroupDraft = Static<ReturnType<typeof groupDraft>>;

const steering = Type.Object(
  {
    verb: Type.Enum([...VERBS], { description: 'what was asked' }),
    by: text('who asked'),
    reason: text('why'),
    at: instant('when'),
    steered: Type.Integer({ description: 'replays that took it' }),
    notPossible: Type.Integer({ description: 'replays in a state that does not allow it' }),
    done: Type.Boolean({ description: 'whether it has reached every replay of the group' }),
  },
  { description: 'what was asked last of the whole group' },
);
type SteeringAnswer = Static<typeof steering>;

const summaryFields = {
  id,
  from: instant('first instant of the range'),
  to: instant('first instant after the range'),
  all: Type.Boolean({ description: 'whether every webhook was asked for' }),
  webhooks: Type.Integer({ description: 'webhooks of the group' }),
  by: text('who asked for it'),
  createdAt: instant('when it was requested'),
  limits: Type.Object(
    {
      maxRate: maybeInteger('events/s of each replay, as it was asked for'),
      concurrency: maybeInteger('requests in flight of each replay, as it was asked for'),
    },
    { description: 'of each replay, as they were asked for' },
  ),
  steering: Type.Unsafe<SteeringAnswer | null>({ ...steering, type: ['object', 'null'] }),
};
export const groupSummary = Type.Object(summaryFields, {
  title: 'ReplayGroupSummary',
  description: 'a replay group without what its replays came to',
});
export type GroupSummaryAnswer = Static<typeof groupSummary>;

const integers = (names: readonly string[], description: string) =>
  Type.Unsafe<Record<string, number>>({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'integer', description: name }])),
    required: [...names],
    description,
  });

const groupFields = {
  ...summaryFields,
  state: Type.Enum([...GROUP_STATES], {
    description: 'creating (webhooks without a replay are left), live, or ended (every replay has)',
  }),
  jobs: integers(JOB_STATES, 'replays per state'),
  pending: Type.Integer({ description: 'webhooks whose replay is not made yet' }),
  counts: integers(SUMMED_COUNTS, 'sums of the counts of all replays'),
  progress: Type.Object(
    {
      share: Type.Number({ minimum: 0, maximum: 1, description: 'how much of the group is done' }),
      rate: Type.Number({ description: 'delivered events/s of the replays that run' }),
      etaMs: maybeInteger('ms until the last replay ends; null while that is not known'),
    },
    { description: 'how far the group is' },
  ),
  refused: Type.Array(
    Type.Object({
      webhookId: id,
      code: Type.Enum([...GROUP_REFUSALS], { description: 'why, in one word' }),
      detail: text('why it has no replay'),
    }),
    { description: `webhooks without a replay, the first ${REFUSED_SHOWN}` },
  ),
  refusedTotal: Type.Integer({ description: 'how many have none' }),
};
export const group = Type.Object(groupFields, {
  title: 'ReplayGroup',
  description: 'a replay group as it is now',
});
export type GroupAnswer = Static<typeof group>;

const REFUSALS: Readonly<Record<GroupRefusal, string>> = {
  webhook_deleted: 'The webhook was removed before its replay was made.',
  group_cancelled: 'The group was cancelled before its replay was made.',
};

export function showGroupSummary(summary: GroupSummary): GroupSummaryAnswer {
  const { spec, steering: asked } = summary;
  return {
    id: summary.id,
    from: formatInstant(spec.fromMs),
    to: formatInstant(spec.toMs),
    all: summary.isAll,
    webhooks: summary.webhooks,
    by: summary.by,
    createdAt: formatInstant(summary.createdAtMs),
    limits: { maxRate: spec.limits.maxRate, concurrency: spec.limits.concurrency },
    steering: asked && {
      verb: asked.verb,
      by: asked.by,
      reason: asked.why,
      at: formatInstant(asked.atMs),
      steered: asked.steered,
      notPossible: asked.notSteered,
      done: asked.isDone,
    },
  };
}

export function showGroup(view: GroupView): GroupAnswer {
  const { state, jobs, pending, counts, share, rate, etaMs, refused, refusedTotal } = view;
  return {
    ...showGroupSummary(view),
    state,
    jobs,
    pending,
    counts,
    progress: { share, rate, etaMs },
    refused: refused.map(({ webhookId, code }) => ({ webhookId, code, detail: REFUSALS[code] })),
    refusedTotal,
  };
}
