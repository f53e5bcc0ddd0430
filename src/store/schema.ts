// The tables as the queries see them. BIGINT columns are strings, times are text, JSON is unknown until read
// (values.ts). What the columns mean is said where they are created (migrations/0001-first.ts).

import type { Generated, Selectable } from 'kysely';
import type { JobState } from '../domain/job.ts';

export interface WebhookTable {
  id: string;
  tenant: string;
  url: string;
  record_key: Buffer | null;
  description: string;
  secrets: unknown;
  secrets_key_id: string | null;
  max_rate: number | null;
  concurrency: number | null;
  profile: unknown;
  wire_profile: Generated<string>;
  proof: Generated<unknown>;
  proof_due: Generated<string | null>;
  proof_lease: Generated<string | null>;
  version: number;
  created_at: string;
  updated_at: string;
  deleted_at: string | null;
}

/** A webhook's row as it is read. */
export type WebhookRow = Selectable<WebhookTable>;

export interface ReplayJobTable {
  id: string;
  tenant: string;
  webhook_id: string;
  state: JobState;
  version: number;
  last_fact: string;
  spec: unknown;
  limits: unknown;
  fence: number;
  owner: string | null;
  wanted: string | null;
  site: string | null;
  partition_no: number | null;
  pins: unknown;
  waiting_until: string | null;
  outcome: string | null;
  pause_reason: string | null;
  fail_reason: string | null;
  reclaims: number;
  idle_reclaims: number;
  progress_at_claim: string;
  max_repeat: number;
  duplicate_bound: string;
  cut: unknown;
  counts: unknown;
  parent_job_id: string | null;
  group_id: string | null;
  /** The format of the job's spec and facts; an instance claims no newer one than it knows. */
  format: Generated<number>;
  /** Of the record key (domain/partitioner.ts); null for jobs that older instances wrote. */
  key_hash: number | null;
  created_at: string;
  updated_at: string;
  // Coordination and liveness, not part of the fold:
  turn: number;
  active_webhook: Generated<string | null>;
  lease_token: string | null;
  lease_until: string | null;
  progress: string;
  heartbeat: unknown;
  heartbeat_at: string | null;
}

/** A job's row as it is read. */
export type ReplayJobRow = Selectable<ReplayJobTable>;

export interface JobTransitionRow {
  job_id: string;
  seq: number;
  type: string;
  from_state: JobState | null;
  to_state: JobState;
  fence: number;
  owner: string | null;
  by_whom: string | null;
  why: string | null;
  body: unknown;
  tx_tag: string;
  at: string;
}

export interface JobGapRow {
  job_id: string;
  source: string;
  from_offset: string;
  to_offset: string;
  reason: string;
  filled_by: Generated<string | null>;
}

export interface DeadLetterRow {
  job_id: string;
  source: string;
  partition_no: number;
  offset_no: string;
  event_id: string;
  event_at_ms: string;
  reason: string;
  last_status: number | null;
  attempts: number;
  state: Generated<string>;
  by_job: Generated<string | null>;
}

export interface MinuteRow {
  job_id: string;
  minute: number;
  delivered: string;
  delivered_digest: Buffer;
  dead_lettered: string;
  dead_lettered_digest: Buffer;
  resent: Generated<number>;
}

export interface PlanRow {
  id: string;
  tenant: string;
  webhook_id: string;
  body: unknown;
  created_at: string;
  expires_at: string;
  /** The replay that runs it; null before. */
  job_id: string | null;
}

export interface OutboxRow {
  job_id: string;
  seq: number;
  webhook_id: string;
  type: string;
  state: string;
  attempts: number;
  due_at: string | null;
  token: string | null;
  last_status: number | null;
  last_failure: string | null;
  created_at: string;
  settled_at: string | null;
}

export interface IdempotencyKeyRow {
  tenant: string;
  idem_key: string;
  request_hash: string;
  tag: string;
  status: number | null;
  location: string | null;
  body: string | null;
  expires_at: string;
}

export interface ReplayGroupRow {
  id: string;
  tenant: string;
  spec: unknown;
  all_webhooks: number;
  webhooks: number;
  by_whom: string;
  work: number;
  worker_until: string | null;
  held: number;
  steering: unknown;
  steering_no: number;
  steered_to: string | null;
  steered: number;
  not_steered: number;
  created_at: string;
  updated_at: string;
}

export interface GroupMemberRow {
  group_id: string;
  webhook_id: string;
  /** Of the record key, as the job will have it. */
  key_hash: number;
  state: 'pending' | 'made' | 'refused';
  job_id: string | null;
  refusal: string | null;
}

export interface InstanceRow {
  id: string;
  version: string;
  detail: unknown;
  started_at: string;
  heartbeat_at: string;
}

export interface Tables {
  webhooks: WebhookTable;
  replay_jobs: ReplayJobTable;
  job_transitions: JobTransitionRow;
  job_gaps: JobGapRow;
  dead_letters: DeadLetterRow;
  minute_ledger: MinuteRow;
  replay_plans: PlanRow;
  replay_groups: ReplayGroupRow;
  replay_group_members: GroupMemberRow;
  instances: InstanceRow;
  outbox: OutboxRow;
  idempotency_keys: IdempotencyKeyRow;
}
