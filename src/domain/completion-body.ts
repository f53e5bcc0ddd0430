// The body of a completion event, in the form that the webhook's profile has. Owned here: the forms, and that no
// body grows without bound: what is too long is left out whole, and the path of the manifest is always there.
// Invariant: the same event has the same bytes at each attempt, whoever builds it.

import type { CompletionType, EventContent } from './completion.ts';
import { gapsOf, headOf, sourcesOf } from './manifest.ts';
import type { Manifest, ManifestHead } from './manifest.ts';
import type { WebhookProfile } from './proof.ts';
import { replayJobStatus } from './x-job-status.ts';

/** Of one event's body: what any receiver of webhooks takes. */
export const MOST_EVENT_BYTES = 256 * 1_024;
/** Each takes 200 bytes at least: more are not worth reading. */
export const MOST_EVENT_MINUTES = 2_000;

export interface CompletionEvent {
  readonly type: CompletionType;
  readonly timestamp: string;
  readonly data: ManifestHead & {
    readonly gapCount: number;
    readonly minuteCount: number;
    /** null = not in this event; the manifest at its path has them. */
    readonly sources: Manifest['sources'] | null;
    readonly gaps: Manifest['gaps'] | null;
    readonly minutes: Manifest['minutes'] | null;
  };
}

type Form = (type: CompletionType, content: EventContent) => Buffer;

/** Each form by the profile that has it. */
const FORMS: Readonly<Record<WebhookProfile, Form>> = { standard, x };

export const bodyFor = (type: CompletionType, content: EventContent, profile: WebhookProfile): Buffer =>
  FORMS[profile](type, content);

/** Standard Webhooks: `{type, timestamp, data}`. */
function standard(type: CompletionType, content: EventContent): Buffer {
  const event = eventOf(type, content);
  const whole = bytesOf(event);
  if (whole.length <= MOST_EVENT_BYTES) return whole;
  const short = bytesOf({ ...event, data: { ...event.data, minutes: null } });
  if (short.length <= MOST_EVENT_BYTES) return short;
  return bytesOf({ ...event, data: { ...event.data, minutes: null, gaps: null, sources: null } });
}

/** X's, of a job that has ended. */
function x(_type: CompletionType, { job }: EventContent): Buffer {
  const { id: jobId, spec, state, outcome } = job;
  const status = replayJobStatus({ jobId, webhookId: spec.webhookId, state, outcome });
  if (!status) throw new Error(`X has no word for a job that is ${state}`);
  return Buffer.from(JSON.stringify(status));
}

function eventOf(type: CompletionType, { job, atMs, minutes, minuteCount }: EventContent): CompletionEvent {
  const head = headOf(job);
  // A paused job may have gone on: only what its own fact says is stable.
  const lists = head.final
    ? { sources: sourcesOf(job), gaps: gapsOf(job), minutes }
    : { sources: null, gaps: null, minutes: null };
  const counts = { gapCount: job.gaps.length, minuteCount };
  return { type, timestamp: new Date(atMs).toISOString(), data: { ...head, ...counts, ...lists } };
}

const bytesOf = (event: CompletionEvent): Buffer => Buffer.from(JSON.stringify(event));
