// Webhooks choose a profile and prove themselves. `proof` is what the checks said, with a fingerprint of what was
// checked; `proof_due` when the next one comes; `proof_lease` until when an instance has the webhook for a check.
// Columns of their own and not part of `profile`, which older instances replace as a whole.
// The index begins with the profile: due ones of a profile that is not checked must not lie in the way of others.
// Each step looks first whether it was done, as in 0002-afterwards.ts.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';

const COLUMNS = [
  ['wire_profile', `VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'standard'`],
  ['proof', 'JSON NULL'],
  ['proof_due', 'DATETIME(6) NULL'],
  ['proof_lease', 'DATETIME(6) NULL'],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [column, kind] of COLUMNS) {
    const { rows } = await sql`SELECT 1 FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'webhooks' AND column_name = ${column}`.execute(db);
    if (rows.length > 0) continue;
    await sql`ALTER TABLE webhooks ADD COLUMN ${sql.raw(`${column} ${kind}`)}`.execute(db);
  }
  const { rows } = await sql`SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'webhooks' AND index_name = 'webhooks_proof'`.execute(
    db,
  );
  if (rows.length > 0) return;
  await sql`ALTER TABLE webhooks ADD KEY webhooks_proof (wire_profile, proof_due)`.execute(db);
}
