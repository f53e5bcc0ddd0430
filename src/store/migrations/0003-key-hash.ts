// A job's row tells its partition: the hash of its record key, of which the partition is the remainder by their
// number. So a claim can look for a job on a partition that its instance reads already (claim.ts). The claim's
// index ends with it, so that the search reads the index alone; under its old name, which older instances force.
// Jobs that are there already, and those of older instances, have none: they are claimed by their age alone.
// Each step looks first whether it was done, as in 0002-afterwards.ts.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  const column = sql`SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'replay_jobs' AND column_name = 'key_hash'`;
  if (!(await isDone(db, column))) {
    await sql`ALTER TABLE replay_jobs ADD COLUMN key_hash INT NULL`.execute(db);
  }
  const index = sql`SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'replay_jobs'
      AND index_name = 'replay_jobs_claim' AND column_name = 'key_hash'`;
  // One statement: at no time is the index away.
  if (!(await isDone(db, index))) {
    await sql`ALTER TABLE replay_jobs DROP KEY replay_jobs_claim,
      ADD KEY replay_jobs_claim (state, turn, id, key_hash)`.execute(db);
  }
}

async function isDone(db: Kysely<unknown>, question: ReturnType<typeof sql>): Promise<boolean> {
  return (await question.execute(db)).rows.length > 0;
}
