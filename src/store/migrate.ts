// Brings the schema up to date. The list is code, not a folder: what is in it is what runs. Kysely's migrator
// holds GET_LOCK meanwhile, so concurrent migrators wait for the first and then find nothing to do.

import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Migration } from 'kysely/migration';
import * as first from './migrations/0001-first.ts';
import * as afterwards from './migrations/0002-afterwards.ts';
import * as keyHash from './migrations/0003-key-hash.ts';
import * as sites from './migrations/0004-sites.ts';
import * as idempotency from './migrations/0005-idempotency.ts';
import * as plans from './migrations/0006-plans.ts';
import * as outbox from './migrations/0007-outbox.ts';
import * as proof from './migrations/0008-proof.ts';
import * as groups from './migrations/0009-groups.ts';
import type { Tables } from './schema.ts';

const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-afterwards': afterwards,
  '0003-key-hash': keyHash,
  '0004-sites': sites,
  '0005-idempotency': idempotency,
  '0006-plans': plans,
  '0007-outbox': outbox,
  '0008-proof': proof,
  '0009-groups': groups,
};

export async function migrateToLatest(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error instanceof Error ? error : new Error(JSON.stringify(error));
}
