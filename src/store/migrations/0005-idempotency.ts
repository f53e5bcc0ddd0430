// Keys of requests that create (once.ts), and the indexes of the filtered lists (replay-list.ts): a page by state or
// by webhook is read from an index in the order of its ids. Each step may run twice.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const ID = 'CHARACTER SET ascii COLLATE ascii_bin';

// `tag` names the request that wrote the row: after a COMMIT without an answer it tells whose it is. `status` is NULL
// only inside the transaction that creates.
const KEYS = `CREATE TABLE IF NOT EXISTS idempotency_keys (
  tenant VARCHAR(64) ${ID} NOT NULL,
  idem_key VARCHAR(255) ${ID} NOT NULL,
  request_hash VARCHAR(64) ${ID} NOT NULL,
  tag VARCHAR(32) ${ID} NOT NULL,
  status INT NULL,
  location VARCHAR(512) NULL,
  body MEDIUMTEXT NULL,
  expires_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant, idem_key),
  KEY idempotency_keys_expiry (expires_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;

const INDEXES = [
  ['replay_jobs_state', '(tenant, state, id)'],
  ['replay_jobs_of_webhook', '(webhook_id, id)'],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(KEYS).execute(db);
  for (const [name, columns] of INDEXES) {
    const { rows } = await sql`SELECT 1 FROM information_schema.statistics
      WHERE table_schema = DATABASE() AND table_name = 'replay_jobs' AND index_name = ${name}`.execute(db);
    if (rows.length > 0) continue;
    await sql.raw(`ALTER TABLE replay_jobs ADD KEY ${name} ${columns}`).execute(db);
  }
}
