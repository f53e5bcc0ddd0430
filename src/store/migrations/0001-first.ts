// The first schema. It has a place for everything that later issues need, so that none of them has to
// reinterpret a history. Kept here: CHECKs that make an illegal row impossible (a leased job has token, lease
// end, owner and turn; an ended or paused one has none of them).
//
// No foreign keys: webhooks are never deleted and jobs only as a whole (prune.ts), and a foreign key would put shared
// locks on the webhook row into every job insert, beside the exclusive order that turn.ts keeps.
// DDL is not transactional on either server, so each statement may run again after a crash in between.
// Frozen: nothing here may come from today's machine, or a new install would differ from an upgraded one. What the
// machine changes later needs a migration of its own (a test compares the two).

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const STATES = `'OPEN', 'STARTED', 'ONGOING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'FAILED'`;
const LEASED = `'STARTED', 'ONGOING'`;
const IN_TURN = `'OPEN', 'STARTED', 'ONGOING'`;
const ID = 'CHARACTER SET ascii COLLATE ascii_bin';
const TABLE = 'ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

// `secrets` is plain JSON while `secrets_key_id` is NULL; sealed at rest by that key otherwise (later).
// `record_key` is NULL once a later webhook of the tenant took the key of a deleted one.
const WEBHOOKS = `CREATE TABLE IF NOT EXISTS webhooks (
  id BIGINT NOT NULL PRIMARY KEY,
  tenant VARCHAR(64) ${ID} NOT NULL,
  url VARCHAR(2048) NOT NULL,
  record_key VARBINARY(255) NULL,
  description VARCHAR(1024) NOT NULL,
  secrets JSON NOT NULL,
  secrets_key_id VARCHAR(64) ${ID} NULL,
  max_rate DOUBLE NULL,
  concurrency INT NULL,
  profile JSON NULL,
  version INT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  deleted_at DATETIME(6) NULL,
  UNIQUE KEY webhooks_key (record_key),
  KEY webhooks_tenant (tenant, id)
) ${TABLE}`;

const JOBS = `CREATE TABLE IF NOT EXISTS replay_jobs (
  id BIGINT NOT NULL PRIMARY KEY,
  tenant VARCHAR(64) ${ID} NOT NULL,
  webhook_id BIGINT NOT NULL,
  state VARCHAR(16) ${ID} NOT NULL,
  version INT NOT NULL,
  last_fact VARCHAR(32) ${ID} NOT NULL,
  spec JSON NOT NULL,
  limits JSON NOT NULL,
  fence INT NOT NULL,
  owner VARCHAR(128) ${ID} NULL,
  wanted VARCHAR(8) ${ID} NULL,
  site VARCHAR(64) ${ID} NULL,
  partition_no INT NULL,
  pins JSON NULL,
  waiting_until DATETIME(6) NULL,
  outcome VARCHAR(16) ${ID} NULL,
  pause_reason VARCHAR(32) ${ID} NULL,
  fail_reason VARCHAR(32) ${ID} NULL,
  reclaims INT NOT NULL,
  idle_reclaims INT NOT NULL,
  progress_at_claim BIGINT NOT NULL,
  max_repeat INT NOT NULL,
  duplicate_bound BIGINT NOT NULL,
  cut JSON NULL,
  counts JSON NOT NULL,
  parent_job_id BIGINT NULL,
  group_id VARCHAR(64) ${ID} NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  turn TINYINT(1) NOT NULL,
  active_webhook BIGINT GENERATED ALWAYS AS (IF(turn, webhook_id, NULL)) STORED,
  lease_token VARCHAR(32) ${ID} NULL,
  lease_until DATETIME(6) NULL,
  progress BIGINT NOT NULL,
  heartbeat JSON NULL,
  heartbeat_at DATETIME(6) NULL,
  CONSTRAINT replay_jobs_state CHECK (state IN (${STATES})),
  CONSTRAINT replay_jobs_lease CHECK (
    (state IN (${LEASED}) AND turn = 1 AND owner IS NOT NULL
      AND lease_token IS NOT NULL AND lease_until IS NOT NULL)
    OR (state NOT IN (${LEASED}) AND owner IS NULL
      AND lease_token IS NULL AND lease_until IS NULL)),
  CONSTRAINT replay_jobs_turn CHECK (
    turn = 0 OR state IN (${IN_TURN})),
  UNIQUE KEY replay_jobs_active (active_webhook),
  KEY replay_jobs_claim (state, turn, id),
  KEY replay_jobs_lease_end (lease_until),
  KEY replay_jobs_webhook (webhook_id, state, id),
  KEY replay_jobs_tenant (tenant, id),
  KEY replay_jobs_owner (owner),
  KEY replay_jobs_group (group_id)
) ${TABLE}`;

// `tx_tag` names the transaction that wrote the fact: after a COMMIT without an answer it tells whose it is.
const TRANSITIONS = `CREATE TABLE IF NOT EXISTS job_transitions (
  job_id BIGINT NOT NULL,
  seq INT NOT NULL,
  type VARCHAR(32) ${ID} NOT NULL,
  from_state VARCHAR(16) ${ID} NULL,
  to_state VARCHAR(16) ${ID} NOT NULL,
  fence INT NOT NULL,
  owner VARCHAR(128) ${ID} NULL,
  by_whom VARCHAR(255) NULL,
  why VARCHAR(1024) NULL,
  body JSON NOT NULL,
  tx_tag VARCHAR(32) ${ID} NOT NULL,
  at DATETIME(6) NOT NULL,
  PRIMARY KEY (job_id, seq)
) ${TABLE}`;

const GAPS = `CREATE TABLE IF NOT EXISTS job_gaps (
  job_id BIGINT NOT NULL,
  source VARCHAR(255) NOT NULL,
  from_offset BIGINT NOT NULL,
  to_offset BIGINT NOT NULL,
  reason VARCHAR(32) ${ID} NOT NULL,
  PRIMARY KEY (job_id, source, from_offset)
) ${TABLE}`;

const DEAD_LETTERS = `CREATE TABLE IF NOT EXISTS dead_letters (
  job_id BIGINT NOT NULL,
  source VARCHAR(255) NOT NULL,
  partition_no INT NOT NULL,
  offset_no BIGINT NOT NULL,
  event_id VARCHAR(512) NOT NULL,
  event_at_ms BIGINT NOT NULL,
  reason VARCHAR(255) NOT NULL,
  last_status INT NULL,
  attempts INT NOT NULL,
  state VARCHAR(16) ${ID} NOT NULL DEFAULT 'open',
  by_job BIGINT NULL,
  PRIMARY KEY (job_id, source, partition_no, offset_no),
  KEY dead_letters_state (job_id, state),
  CONSTRAINT dead_letters_state CHECK (state IN ('open', 'replaying', 'delivered', 'expired'))
) ${TABLE}`;

const MINUTES = `CREATE TABLE IF NOT EXISTS minute_ledger (
  job_id BIGINT NOT NULL,
  minute INT NOT NULL,
  delivered BIGINT NOT NULL,
  delivered_digest BINARY(32) NOT NULL,
  dead_lettered BIGINT NOT NULL,
  dead_lettered_digest BINARY(32) NOT NULL,
  PRIMARY KEY (job_id, minute)
) ${TABLE}`;

const INSTANCES = `CREATE TABLE IF NOT EXISTS instances (
  id VARCHAR(128) ${ID} NOT NULL PRIMARY KEY,
  version VARCHAR(64) NOT NULL,
  detail JSON NOT NULL,
  started_at DATETIME(6) NOT NULL,
  heartbeat_at DATETIME(6) NOT NULL
) ${TABLE}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of [WEBHOOKS, JOBS, TRANSITIONS, GAPS, DEAD_LETTERS, MINUTES, INSTANCES]) {
    await sql.raw(table).execute(db);
  }
}
