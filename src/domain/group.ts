// Replay groups: one request for the same range of many webhooks (the sender's own outage). Each webhook gets a job of
// its own; the group makes them, sums them up and steers them together. Owned here: the words, and the port to the
// store. Every call of a client carries the tenant; a foreign id is an absent one.
//
// Making and steering are work that outlives a request: whoever begins it may die, any instance goes on
// (`GroupStore.work`). Each webhook of a group gets at most one job, whoever makes it.

import type { FactType } from './fact.ts';
import type { GroupId, JobId, TenantId, WebhookId } from './ids.ts';
import type { Counts, JobSpec, JobState } from './job.ts';
import type { Once } from './once.ts';
import type { Page, PageRequest } from './page.ts';
import type { JobView } from './store.ts';

/** Webhooks of a group at most. */
export const MAX_GROUP = 10_000;
/** Refused webhooks that a view names. */
export const REFUSED_SHOWN = 100;

export const GROUP_REFUSALS = ['webhook_deleted', 'group_cancelled'] as const;
/** Why a webhook of a group has no job. */
export type GroupRefusal = (typeof GROUP_REFUSALS)[number];

/** `creating`: webhooks without a job are left (none is made while the group is paused); `ended`: every job has. */
export const GROUP_STATES = ['creating', 'live', 'ended'] as const;
export type GroupState = (typeof GROUP_STATES)[number];

export type GroupVerb = 'pause' | 'resume' | 'cancel';

/** What was asked; the limits are each job's own. */
export interface GroupRequest {
  /** Without repetition, or every webhook that the tenant has now. */
  readonly webhookIds: readonly WebhookId[] | 'all';
  readonly spec: Omit<JobSpec, 'webhookId' | 'key' | 'groupId'>;
  readonly by: string;
}

/** Nothing is stored. `ids`: those that the tenant does not have. */
export type GroupRequestRefusal =
  | { readonly why: 'unknown_webhooks'; readonly ids: readonly WebhookId[] }
  | { readonly why: 'no_webhooks' | 'too_many_webhooks' };

export interface GroupSteering {
  readonly verb: GroupVerb;
  readonly by: string;
  readonly why: string;
  readonly atMs: number;
  /** Jobs that took it; those that could not (ended, or not in such a state). */
  readonly steered: number;
  readonly notSteered: number;
  /** Whether it has reached every job. */
  readonly isDone: boolean;
}

export interface GroupSummary {
  readonly id: GroupId;
  readonly tenant: TenantId;
  readonly spec: GroupRequest['spec'];
  readonly isAll: boolean;
  readonly webhooks: number;
  readonly by: string;
  readonly steering: GroupSteering | null;
  readonly createdAtMs: number;
}

/** Counts that can be added up. */
export const SUMMED_COUNTS = [
  'scanned',
  'matched',
  'duplicates',
  'filtered',
  'tombstones',
  'delivered',
  'deadLettered',
  'unanswered',
  'maybeRepeated',
  'evicted',
  'unknownBelowCut',
  'siteSwitches',
] as const satisfies readonly (keyof Counts)[];
export type SummedCounts = Readonly<Record<(typeof SUMMED_COUNTS)[number], number>>;

export interface GroupView extends GroupSummary {
  readonly state: GroupState;
  readonly jobs: Readonly<Record<JobState, number>>;
  /** Webhooks whose job is not made yet. */
  readonly pending: number;
  readonly counts: SummedCounts;
  /** From 0 to 1: ended jobs whole, others by what their cuts have passed. */
  readonly share: number;
  /** Delivered events/s of the jobs that run. */
  readonly rate: number;
  /** Until the last job ends; null unless every job that has not ended runs and knows its own. */
  readonly etaMs: number | null;
  /** The first REFUSED_SHOWN by webhook id. */
  readonly refused: readonly { readonly webhookId: WebhookId; readonly code: GroupRefusal }[];
  readonly refusedTotal: number;
}

/** What one stretch of work came to. */
export interface GroupWork {
  readonly groupId: GroupId;
  readonly made: readonly { readonly jobId: JobId; readonly webhookId: WebhookId }[];
  readonly refused: number;
  readonly steered: number;
}

export interface GroupStore {
  /** Stores the group and its webhooks; their jobs are made by `work`. */
  request(
    tenant: TenantId,
    request: GroupRequest,
    once?: Once<GroupView> | null,
  ): Promise<GroupView | GroupRequestRefusal>;
  group(tenant: TenantId, id: GroupId): Promise<GroupView | null>;
  /** Newest first. */
  groups(tenant: TenantId, page: PageRequest): Promise<Page<GroupSummary>>;
  /** Newest first. */
  replaysOf(tenant: TenantId, id: GroupId, page: PageRequest): Promise<Page<JobView> | null>;
  /** Records it; the jobs are steered by `work`. What was asked before and is not done yet gives way. */
  steer(tenant: TenantId, id: GroupId, verb: GroupVerb, who: Who): Promise<'recorded' | 'unknown_group'>;
  /** Works at this group, for about `ms`; null when nothing is left to do, or another instance does it. */
  workOn(id: GroupId, ms: number): Promise<GroupWork | null>;
  /** The same at the oldest group with work that nobody is at. */
  work(ms: number): Promise<GroupWork | null>;
}

export interface Who {
  readonly by: string;
  readonly why: string;
}

/** What is asked of each job. */
export const STEERING_OF = {
  pause: 'PAUSE_REQUESTED',
  resume: 'RESUME_REQUESTED',
  cancel: 'CANCEL_REQUESTED',
} as const satisfies Record<GroupVerb, FactType>;
