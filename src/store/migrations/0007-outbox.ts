// The outbox of completion events. `due_at` says when the next attempt may begin, or when the lease of the one that
// is under way ends; it is NULL once nothing is to be done any more, so that its index holds the pending ones alone.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const ID = 'CHARACTER SET ascii COLLATE ascii_bin';

const OUTBOX = `CREATE TABLE IF NOT EXISTS outbox (
  job_id BIGINT NOT NULL,
  seq INT NOT NULL,
  webhook_id BIGINT NOT NULL,
  type VARCHAR(32) ${ID} NOT NULL,
  state VARCHAR(16) ${ID} NOT NULL,
  attempts INT NOT NULL,
  due_at DATETIME(6) NULL,
  token VARCHAR(32) ${ID} NULL,
  last_status INT NULL,
  last_failure VARCHAR(64) NULL,
  created_at DATETIME(6) NOT NULL,
  settled_at DATETIME(6) NULL,
  PRIMARY KEY (job_id, seq),
  KEY outbox_due (due_at),
  CONSTRAINT outbox_state CHECK (
    (state = 'pending' AND due_at IS NOT NULL AND settled_at IS NULL)
    OR (state IN ('delivered', 'given_up') AND due_at IS NULL AND token IS NULL AND settled_at IS NOT NULL))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(OUTBOX).execute(db);
}
