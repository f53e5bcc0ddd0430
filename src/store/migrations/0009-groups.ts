// Replay groups: one request for many webhooks. A group's row says what was asked; a member row per webhook says
// whether its job was made, or why not: so whoever dies in between, another instance makes the rest, and none twice.
// And an index by which a claim finds each tenant's oldest job (store/fair-claim.ts).
// Each step looks first whether it was done, as in 0002-afterwards.ts.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const ID = 'CHARACTER SET ascii COLLATE ascii_bin';
const TABLE = 'ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

// `work`: jobs are to be made or steered. `worker_until` only keeps others from doing the same work. `held`: paused,
// so no job is made meanwhile. `steering` is what was asked last, `steering_no` how many times something was;
// `steered_to` the last job that it reached, NULL = all.
const GROUPS = `CREATE TABLE IF NOT EXISTS replay_groups (
  id BIGINT NOT NULL PRIMARY KEY,
  tenant VARCHAR(64) ${ID} NOT NULL,
  spec JSON NOT NULL,
  all_webhooks TINYINT(1) NOT NULL,
  webhooks INT NOT NULL,
  by_whom VARCHAR(255) NOT NULL,
  work TINYINT(1) NOT NULL,
  worker_until DATETIME(6) NULL,
  held TINYINT(1) NOT NULL,
  steering JSON NULL,
  steering_no INT NOT NULL,
  steered_to BIGINT NULL,
  steered INT NOT NULL,
  not_steered INT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  KEY replay_groups_tenant (tenant, id),
  KEY replay_groups_work (work, id)
) ${TABLE}`;

const MEMBERS = `CREATE TABLE IF NOT EXISTS replay_group_members (
  group_id BIGINT NOT NULL,
  webhook_id BIGINT NOT NULL,
  key_hash INT NOT NULL,
  state VARCHAR(16) ${ID} NOT NULL,
  job_id BIGINT NULL,
  refusal VARCHAR(32) ${ID} NULL,
  PRIMARY KEY (group_id, webhook_id),
  KEY replay_group_members_state (group_id, state, key_hash, webhook_id),
  CONSTRAINT replay_group_members_state CHECK (
    (state = 'pending' AND job_id IS NULL AND refusal IS NULL)
    OR (state = 'made' AND job_id IS NOT NULL AND refusal IS NULL)
    OR (state = 'refused' AND job_id IS NULL AND refusal IS NOT NULL))
) ${TABLE}`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of [GROUPS, MEMBERS]) await sql.raw(table).execute(db);
  const { rows } = await sql`SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'replay_jobs' AND index_name = 'replay_jobs_fair'`.execute(
    db,
  );
  if (rows.length > 0) return;
  await sql`ALTER TABLE replay_jobs ADD KEY replay_jobs_fair (state, turn, tenant, id)`.execute(db);
}
