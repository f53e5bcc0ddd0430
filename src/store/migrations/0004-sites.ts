// What a job that left a site leaves in its rows: minutes that were set to zero and sent again, and gaps that
// another site has filled.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const COLUMNS = [
  ['minute_ledger', 'resent', 'TINYINT(1) NOT NULL DEFAULT 0'],
  ['job_gaps', 'filled_by', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL'],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, column, kind] of COLUMNS) {
    const { rows } = await sql`SELECT 1 FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = ${table} AND column_name = ${column}`.execute(db);
    if (rows.length > 0) continue;
    await sql`ALTER TABLE ${sql.table(table)} ADD COLUMN ${sql.raw(`${column} ${kind}`)}`.execute(db);
  }
}
