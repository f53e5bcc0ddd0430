// Plans: what a replay would read, pinned before anybody asks for it. They go by their own time, not with their job,
// which carries a copy of the pins.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';

const PLANS = `CREATE TABLE IF NOT EXISTS replay_plans (
  id BIGINT NOT NULL PRIMARY KEY,
  tenant VARCHAR(64) ${ASCII} NOT NULL,
  webhook_id BIGINT NOT NULL,
  body JSON NOT NULL,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  job_id BIGINT NULL,
  KEY replay_plans_expired (expires_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(PLANS).execute(db);
}
