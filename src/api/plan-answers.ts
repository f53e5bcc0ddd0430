// The shape of a plan as clients see it. Offsets are decimal strings, times RFC 3339; of the log it names sites, topics
// and offsets, never a broker.

import { Type, type Static } from 'typebox';
import { READ_MODES } from '../domain/job.ts';
import { PLAN_WARNINGS, isPinned, recordsOf } from '../domain/plan.ts';
import type { PlanView } from '../domain/plan.ts';
import { id, instant, maybeInteger, maybeText, text } from './fields.ts';
import { formatInstant } from './range.ts';

const offset = (of: string) => Type.String({ description: `${of} (an offset, decimal)` });
const least = { minimum: 0 };

const planFields = {
  id,
  webhookId: id,
  replayId: maybeText('the replay that runs it; null before. A plan runs once'),
  from: instant('first instant of the range'),
  to: instant('first instant after the range'),
  order: Type.Enum(['any', 'strict'], { description: 'as asked for' }),
  scan: Type.Enum(['bounded', 'full'], { description: 'as asked for' }),
  read: Type.Enum([...READ_MODES], { description: 'as asked for' }),
  limits: Type.Object(
    {
      maxRate: maybeInteger('events/s of the run, unless its request says otherwise'),
      concurrency: maybeInteger('requests in flight of the run, unless its request says otherwise'),
    },
    { description: 'as asked for; the deployment’s and the webhook’s hold besides' },
  ),
  sites: Type.Array(Type.String(), { description: 'the sites that a run reads' }),
  partition: Type.Integer({ description: 'the partition of the webhook’s key' }),
  sources: Type.Array(
    Type.Object({
      source: text('site/topic'),
      site: text('site'),
      topic: text('topic'),
      partition: Type.Integer({ description: 'partition' }),
      start: offset('first that a run reads'),
      end: maybeText('first that a run does not read (an offset, decimal); null: not pinned, see warnings'),
      records: Type.Integer({
        ...least,
        description: 'offsets from start to end, or to where the log ends now',
      }),
      copyOf: maybeText('the source that MirrorMaker copies this one from; null of an own topic'),
    }),
    { description: 'what a run reads of each source' },
  ),
  records: Type.Integer({ ...least, description: 'sum over the sources, anybody’s records' }),
  maxRecords: maybeInteger('the most records that a run scans; null while an end is not pinned', least),
  estimatedBytes: maybeInteger(
    'an estimate, no bound: records times the mean size on the wire in up to three samples of each source; ' +
      'null: no sample could be read in time',
    least,
  ),
  eta: Type.Object(
    {
      leastMs: Type.Integer({
        ...least,
        description: 'when none of the records is the webhook’s: scanning alone',
      }),
      mostMs: Type.Integer({
        ...least,
        description: 'when all of them are: delivery at the cap (the least of deployment, webhook and plan)',
      }),
    },
    {
      description:
        'how long a run takes once it begins, for the records of now. Scanning is reckoned with 300,000 records/s ' +
        'or 300 MiB/s, whichever is slower; a receiver that takes less than the cap is not in it',
    },
  ),
  endsPinnedAt: maybeText(
    'when the ends were pinned; of a range that is too young, when they can be: a run of this plan pins them then; ' +
      'null: a run waits for a mirrored copy (RFC 3339)',
  ),
  warnings: Type.Array(
    Type.Object({
      code: Type.Enum([...PLAN_WARNINGS], { description: 'stable name' }),
      detail: text('what to know before running the plan'),
      site: maybeText('the site that it is about'),
      source: maybeText('the source that it is about'),
      replayId: maybeText('the replay that it is about'),
    }),
    { description: 'what whoever runs the plan should know, as of its making' },
  ),
  createdAt: instant('when it was made'),
  expiresAt: instant('until when it can be looked at and run'),
};
export const plan = Type.Object(planFields, {
  title: 'Plan',
  description: 'what a replay of a range would read, pinned for one run',
});
export type PlanAnswer = Static<typeof plan>;

export function showPlan(view: PlanView): PlanAnswer {
  const { id: planId, webhookId, jobId, spec, site, partition, pins, records, eta } = view;
  return {
    id: planId,
    webhookId,
    replayId: jobId,
    from: formatInstant(spec.fromMs),
    to: formatInstant(spec.toMs),
    order: spec.order,
    scan: spec.scan,
    read: spec.readMode,
    limits: { maxRate: spec.limits.maxRate, concurrency: spec.limits.concurrency },
    sites: site.split('+'),
    partition,
    sources: pins.map(({ source, topic, partition: of, start, end, copyOf }) => ({
      source,
      site: source.slice(0, source.indexOf('/')),
      topic,
      partition: of,
      start: String(start),
      end: end === null ? null : String(end),
      records: records[source] ?? 0,
      copyOf: copyOf ?? null,
    })),
    records: recordsOf(view),
    maxRecords: isPinned(view) ? recordsOf(view) : null,
    estimatedBytes: view.estimatedBytes,
    eta: { leastMs: eta.leastMs, mostMs: eta.mostMs },
    endsPinnedAt: pinnedAt(view),
    warnings: view.warnings.map(({ code, detail, site: at, source, replayId }) => ({
      code,
      detail,
      site: at ?? null,
      source: source ?? null,
      replayId: replayId ?? null,
    })),
    createdAt: formatInstant(view.createdAtMs),
    expiresAt: formatInstant(view.expiresAtMs),
  };
}

function pinnedAt(view: PlanView): string | null {
  if (isPinned(view)) return formatInstant(view.createdAtMs);
  return view.warnings.some(({ code }) => code === 'not_settled') ? formatInstant(view.settledAtMs) : null;
}
