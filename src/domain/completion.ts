// Completion events: what a webhook can be told about its replays, and the port to the outbox that holds them.
// Owned here: which step of a job is such an event, its stable id, who may be sent one. Refused: what the event
// says (completion-body.ts), how it is stored (store/outbox.ts) and sent (actors/courier.ts).
// Invariants: an event is named by its job and the seq of its fact, so that whoever writes or sends it again uses
// the same id; a row is written in the transaction of the fact, or not at all.

import type { FixedHeaders } from './fixed-headers.ts';
import type { JobState } from './job.ts';
import type { Manifest, ManifestJob } from './manifest.ts';
import type { Validity, WebhookProfile } from './proof.ts';

export const COMPLETION_TYPES = [
  'replay.completed',
  'replay.failed',
  'replay.cancelled',
  'replay.paused',
] as const;
export type CompletionType = (typeof COMPLETION_TYPES)[number];

const OF_STATE: Partial<Record<JobState, CompletionType>> = {
  COMPLETED: 'replay.completed',
  FAILED: 'replay.failed',
  CANCELLED: 'replay.cancelled',
  PAUSED: 'replay.paused',
};

/** What a fact that leads from one state to another is to the webhook; null = nothing. */
export function completionOf(from: JobState | null, to: JobState): CompletionType | null {
  return from === to ? null : (OF_STATE[to] ?? null);
}

export interface EventKey {
  readonly jobId: string;
  /** Of the fact. */
  readonly seq: number;
}

/** The `webhook-id`: one for all attempts. No job has another one's, and no event of a log is named like this. */
export const completionId = ({ jobId, seq }: EventKey): string => `reprise_${jobId}_${seq}`;

/** What decides whether a webhook is sent an event, and how. */
export interface Addressee {
  readonly url: string;
  /** Signing secrets, newest first. */
  readonly secrets: readonly string[];
  /** The types that it asked for, as of now. */
  readonly notifications: readonly CompletionType[];
  /** The webhook's own. */
  readonly headers: FixedHeaders;
  readonly profile: WebhookProfile;
  readonly validity: Validity;
}

export type Refusal = 'webhook_deleted' | 'not_wanted';

/** Why this webhook gets no such event (any more); null = it gets it. The one place that says no. */
export function refusalOf(webhook: Addressee | null, type: CompletionType): Refusal | null {
  if (!webhook) return 'webhook_deleted';
  // X has no word for a pause.
  const isSayable = webhook.profile !== 'x' || type !== 'replay.paused';
  return isSayable && webhook.notifications.includes(type) ? null : 'not_wanted';
}

/** An event taken out of the outbox for one attempt. The token is the right to say what became of it. */
export interface TakenEvent extends EventKey {
  readonly webhookId: string;
  readonly type: CompletionType;
  readonly token: string;
  /** 1 = the first; one whose sender was lost counts. */
  readonly attempt: number;
  /** ms since the fact, by the database's clock. */
  readonly ageMs: number;
  /** null = deleted. */
  readonly webhook: Addressee | null;
}

export interface EventContent {
  readonly job: ManifestJob;
  /** The fact's time, ms since 1970. */
  readonly atMs: number;
  /** null of a job that has not ended, or when there are more minutes than were asked for. */
  readonly minutes: Manifest['minutes'] | null;
  readonly minuteCount: number;
}

/** What became of an attempt. */
export type EventFate =
  | { readonly kind: 'delivered'; readonly status: number }
  | { readonly kind: 'again'; readonly afterMs: number; readonly why: string }
  | { readonly kind: 'given_up'; readonly why: string };

export interface TakeRequest {
  readonly limit: number;
  /** After this long without a word of the taker, anybody may take it again. */
  readonly leaseMs: number;
  /** Webhooks that this instance is sending to. */
  readonly busy: readonly string[];
}

export interface CompletionOutbox {
  /** Due events, the longest due first, at most one of each webhook; those that others are at are not seen. */
  takeEvents(request: TakeRequest): Promise<readonly TakenEvent[]>;
  /** The same at each attempt. `mostMinutes`: more are only counted. null = the job was pruned. */
  eventContent(key: EventKey, mostMinutes: number): Promise<EventContent | null>;
  /** `fenced`: another one took it meanwhile; nothing was written. */
  settleEvent(taken: TakenEvent, fate: EventFate): Promise<'saved' | 'fenced'>;
}
