// Port to the store for the API: what clients ask of webhooks and replays. Every call carries the tenant; a
// foreign id is an absent one. Expected refusals are values.

import type { CompletionType } from './completion.ts';
import type { DeadLetterView, TakeUpRefusal, TakeUpRequest } from './dead-letter.ts';
import type { Fact, Proposal } from './fact.ts';
import type { FixedHeaders } from './fixed-headers.ts';
import type { GroupStore } from './group.ts';
import type { JobId, PlanId, TenantId, WebhookId } from './ids.ts';
import type { JobSpec, JobState, Limits, PlannedPins } from './job.ts';
import type { Once, UsedKey } from './once.ts';
import type { DeliveryProfile } from './message.ts';
import type { MinuteEntry } from './minute-ledger.ts';
import type { Page, PageRequest } from './page.ts';
import type { PlanDraft, PlanRefusal, PlanSpec, PlanView, ReplaysBeside } from './plan.ts';
import type { Validity, WebhookProfile } from './proof.ts';
import type { CommitResult, JobView } from './store.ts';

export type { Page, PageRequest };

/** Which replays are listed: all of these at once. */
export interface ReplayFilter {
  /** Empty = any. */
  readonly states: readonly JobState[];
  readonly webhookId: WebhookId | null;
  /** Requested in [from, to). */
  readonly createdFromMs: number | null;
  readonly createdToMs: number | null;
}

/** What tells whether there is news of a job. */
export interface JobLook {
  readonly id: JobId;
  readonly tenant: TenantId;
  readonly state: JobState;
  /** Seq of the last fact. */
  readonly version: number;
  /** Another text with each fact, step of progress and heartbeat. */
  readonly revision: string;
}

/** A webhook as its tenant sees it; the secret is told once, at creation. */
export interface WebhookView {
  readonly id: WebhookId;
  readonly tenant: TenantId;
  readonly url: string;
  readonly key: string;
  readonly description: string;
  readonly maxRate: number | null;
  readonly concurrency: number | null;
  readonly delivery: DeliveryProfile;
  /** Of a request with one event. */
  readonly contentType: string;
  /** Of the fixed headers; their values may be secrets and are not told. */
  readonly headerNames: readonly string[];
  /** The completion events that it is sent. */
  readonly notifications: readonly CompletionType[];
  readonly profile: WebhookProfile;
  readonly validity: Validity;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface WebhookDraft {
  readonly url: string;
  /** null = the webhook's id. */
  readonly key: string | null;
  readonly description: string;
  readonly maxRate: number | null;
  readonly concurrency: number | null;
  readonly delivery: DeliveryProfile;
  /** Absent = application/json. */
  readonly contentType?: string;
  /** Absent = none. */
  readonly headers?: FixedHeaders;
  /** Absent = none. */
  readonly notifications?: readonly CompletionType[];
  /** `standard` when it is absent. */
  readonly profile?: WebhookProfile;
  /** `whsec_...` */
  readonly secret: string;
}

export type WebhookPatch = Partial<
  Pick<
    WebhookDraft,
    | 'url'
    | 'description'
    | 'maxRate'
    | 'concurrency'
    | 'delivery'
    | 'contentType'
    | 'headers'
    | 'notifications'
    | 'profile'
    | 'secret'
  >
>;

/** A replay with a page of its minute ledger. */
export interface ManifestPage {
  readonly job: JobView;
  readonly minutes: readonly MinuteEntry[];
  readonly nextCursor: string | null;
}

/** The API's side: every call carries the tenant; a foreign id is an absent one. */
export interface ReplayStore {
  /** What this key was used for; null = it is free, or its first request still runs. */
  usedKey(tenant: TenantId, key: string): Promise<UsedKey | null>;
  /**
   * With `once` (here and below): throws `idempotency_in_progress` or `idempotency_mismatch`, and keeps its answer in
   * the transaction that creates.
   */
  createWebhook(
    tenant: TenantId,
    draft: WebhookDraft,
    once?: Once<WebhookView> | null,
  ): Promise<WebhookView | 'key_taken'>;
  webhook(tenant: TenantId, id: WebhookId): Promise<WebhookView | null>;
  webhooks(tenant: TenantId, page: PageRequest): Promise<Page<WebhookView>>;
  /** `versions`: changed only if it has one of these. */
  patchWebhook(
    tenant: TenantId,
    id: WebhookId,
    patch: WebhookPatch,
    versions?: readonly number[] | null,
  ): Promise<WebhookView | 'stale' | null>;
  deleteWebhook(tenant: TenantId, id: WebhookId): Promise<'deleted' | 'absent' | 'has_live_jobs'>;
  /** Inserts the job with its REQUESTED fact; spec without webhookId and key, which the webhook's row gives. */
  requestReplay(
    tenant: TenantId,
    webhookId: WebhookId,
    spec: Omit<JobSpec, 'webhookId' | 'key'>,
    by: string,
    once?: Once<JobView> | null,
  ): Promise<JobView | 'no_webhook'>;
  /** Keeps a plan for `ttlMs`, by the database's clock. */
  createPlan(tenant: TenantId, draft: PlanDraft, ttlMs: number): Promise<PlanView | 'no_webhook'>;
  /** null also when it has expired. */
  plan(tenant: TenantId, id: PlanId): Promise<PlanView | null>;
  /** As requestReplay, for a spec with a plan's pins: once per plan, and not after it expired. */
  runPlan(
    tenant: TenantId,
    webhookId: WebhookId,
    spec: PlanSpec & { readonly plan: PlannedPins },
    by: string,
    once?: Once<JobView> | null,
  ): Promise<JobView | 'no_webhook' | PlanRefusal>;
  /** Other replays of the webhook that a plan of this range should mention. */
  replaysBeside(
    tenant: TenantId,
    webhookId: WebhookId,
    range: { readonly fromMs: number; readonly toMs: number },
  ): Promise<ReplaysBeside>;
  /** As requestReplay, if the conditions hold: decided in the job's own transaction, under its webhook's lock. */
  requestReplayIf(
    tenant: TenantId,
    webhookId: WebhookId,
    spec: Omit<JobSpec, 'webhookId' | 'key'>,
    by: string,
    conditions: RequestConditions,
  ): Promise<JobView | 'no_webhook' | UnmetCondition>;
  replay(tenant: TenantId, id: JobId): Promise<JobView | null>;
  replays(tenant: TenantId, page: PageRequest, filter?: ReplayFilter): Promise<Page<JobView>>;
  transitions(tenant: TenantId, id: JobId, page: PageRequest): Promise<Page<Transition> | null>;
  /** Oldest minute first. */
  manifest(tenant: TenantId, id: JobId, page: PageRequest): Promise<ManifestPage | null>;
  /** Oldest position first; those that the job sends again for its parent included. */
  deadLetters(tenant: TenantId, id: JobId, page: PageRequest): Promise<Page<DeadLetterView> | null>;
  /**
   * A new job for what this one left undone: its open dead letters, or everything (`remainder`, of an ended job).
   * Asked again it answers the job that was made the first time.
   */
  takeUp(
    tenant: TenantId,
    id: JobId,
    request: TakeUpRequest,
    once?: Once<JobView> | null,
  ): Promise<JobView | TakeUpRefusal>;
  /** Records a pause, resume, cancel or change of limits; any instance may. */
  steer(
    tenant: TenantId,
    jobId: JobId,
    request: SteerRequest,
    versions?: readonly number[] | null,
  ): Promise<CommitResult>;
  /** What may have changed of these jobs, cheaply; those that are gone are left out. Whose they are was asked before. */
  lookAt(ids: readonly JobId[]): Promise<readonly JobLook[]>;
  /** Without their gaps. */
  jobs(ids: readonly JobId[]): Promise<readonly JobView[]>;
  /** Per job at most `limit` facts with seq > `after`, in order. */
  transitionsAfter(
    wanted: readonly { readonly id: JobId; readonly after: number }[],
    limit: number,
  ): Promise<ReadonlyMap<JobId, readonly Transition[]>>;
  readonly groups: GroupStore;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  nowMs(): Promise<number>;
}

export interface RequestConditions {
  /** Only while no other job of the webhook is live. */
  readonly onlyWhenIdle?: boolean;
  /** At most so many jobs of the webhook within the time before, whoever asked for them and for what. */
  readonly quota?: { readonly most: number; readonly windowMs: number };
}

export type UnmetCondition = 'busy' | OverQuota;

export interface OverQuota {
  readonly refused: 'over_quota';
  /** When the quota allows one more job. */
  readonly retryAfterMs: number;
}

/** A change of limits names those that change; the fact takes the others from the job as it is then. */
export type SteerRequest =
  | Extract<Proposal, { type: 'PAUSE_REQUESTED' | 'RESUME_REQUESTED' | 'CANCEL_REQUESTED' }>
  | {
      readonly type: 'LIMITS_CHANGED';
      readonly change: Partial<Limits>;
      readonly by: string;
      readonly why: string;
    };

/** One persisted step as the history shows it. */
export interface Transition {
  readonly seq: number;
  readonly type: string;
  /** null before the first. */
  readonly from: JobState | null;
  readonly to: JobState;
  readonly fence: number;
  readonly owner: string | null;
  readonly atMs: number;
  readonly by: string | null;
  readonly why: string | null;
  /** The fact itself. */
  readonly body: Fact;
}
