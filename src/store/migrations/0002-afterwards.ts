// What a job leaves behind can be taken up and thrown away: children of a job are found by their parent, dead
// letters by the job that sends them again, ended jobs by their age. And a job says which format it has, so that
// an older instance leaves alone what it would misread (claim.ts).
// Each step looks first whether it was done: DDL is not transactional, and ADD ... IF NOT EXISTS is MariaDB's only.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

interface Step {
  readonly table: string;
  readonly name: string;
  readonly kind: 'column' | 'index';
  readonly add: string;
}

const STEPS: readonly Step[] = [
  { table: 'replay_jobs', kind: 'column', name: 'format', add: 'COLUMN format INT NOT NULL DEFAULT 1' },
  {
    table: 'replay_jobs',
    kind: 'index',
    name: 'replay_jobs_parent',
    add: 'KEY replay_jobs_parent (parent_job_id, id)',
  },
  {
    table: 'replay_jobs',
    kind: 'index',
    name: 'replay_jobs_ended',
    add: 'KEY replay_jobs_ended (state, updated_at)',
  },
  {
    table: 'dead_letters',
    kind: 'index',
    name: 'dead_letters_by',
    add: 'KEY dead_letters_by (by_job, state)',
  },
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const step of STEPS) {
    if (await isDone(db, step)) continue;
    await sql`ALTER TABLE ${sql.table(step.table)} ADD ${sql.raw(step.add)}`.execute(db);
  }
}

async function isDone(db: Kysely<unknown>, { table, kind, name }: Step): Promise<boolean> {
  const { rows } = await (
    kind === 'column'
      ? sql`SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = ${table} AND column_name = ${name}`
      : sql`SELECT 1 FROM information_schema.statistics
        WHERE table_schema = DATABASE() AND table_name = ${table} AND index_name = ${name}`
  ).execute(db);
  return rows.length > 0;
}
