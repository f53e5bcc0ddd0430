// A transaction that creates, once per key (`Idempotency-Key`).
//
//   request 1   BEGIN ─ insert key ─ create ─ keep the answer ─ COMMIT
//   request 2     │        └ locked: "in progress"                └ read: the kept answer
//   a crash       └ nothing of it is there: neither key nor job, and the next request creates
//
// The key's row is the first that is locked, and nobody who holds another row asks for one, so it adds no deadlock.
// It is looked for with NOWAIT: an insert that another transaction has not committed is a locked row, and a request
// that waited for it would keep a connection for nothing. Two that both see no row meet in the unique key; the second
// waits there for the first one's end, some milliseconds.
//
// A refusal undoes the key with everything else: the next request with it is a first one.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { TenantId } from '../domain/ids.ts';
import { keyInProgress, keyMismatch } from '../domain/once.ts';
import type { KeptAnswer, Once, UsedKey } from '../domain/once.ts';
import type { Database } from './database.ts';
import { errnoOf, isDuplicateKey } from './failures.ts';
import { withRetries } from './retries.ts';
import type { Tables } from './schema.ts';
import { inTransaction } from './transaction.ts';
import type { Tx, Verdict } from './transaction.ts';
import { utcNow, utcNowPlus } from './values.ts';

/**
 * `inTransaction` for work that creates: what it keeps was made and gets the key, a refusal is undone and gets none. Throws RepriseError `idempotency_in_progress` or `idempotency_mismatch`. `once` null = no key was sent.
 */
export function onceInTransaction<Made extends object, Refusal>(
  db: Database,
  once: Once<Made> | null,
  work: (tx: Tx, doubt: boolean) => Promise<Verdict<Made | Refusal>>,
): Promise<Made | Refusal> {
  if (!once) return inTransaction(db, work);
  return inTransaction<Made | Refusal>(db, async (tx, doubt) => {
    const isFresh = await takeKey(tx, once);
    const verdict = await work(tx, doubt);
    // What is refused is undone.
    if (isFresh && verdict.keep) await keepAnswer(tx, once, once.answer(verdict.value as Made));
    return verdict;
  });
}

/** false: it is there already, by this very request, whose COMMIT got no answer. */
async function takeKey(tx: Tx, once: Once<never>): Promise<boolean> {
  const held = await lockKey(tx, once);
  if (held !== null && !held.isOver) {
    if (held.tag === once.tag) return false;
    throw held.request_hash === once.requestHash ? keyInProgress() : keyMismatch();
  }
  if (held !== null) await ofKey(tx.deleteFrom('idempotency_keys'), once).execute();
  try {
    await tx
      .insertInto('idempotency_keys')
      .values({
        tenant: once.tenant,
        idem_key: once.key,
        request_hash: once.requestHash,
        tag: once.tag,
        status: null,
        location: null,
        body: null,
        expires_at: utcNowPlus(once.keepMs),
      })
      .execute();
  } catch (error) {
    // The first one came between the look and the insert, and has ended by now: asked again, it is the answer.
    if (isDuplicateKey(error)) throw keyInProgress();
    throw error;
  }
  return true;
}

/** MySQL: 3572, "NOWAIT is set"; MariaDB: 1205, a lock wait of no length. Both undo the statement alone. */
const LOCKED: ReadonlySet<number> = new Set([3572, 1205]);

async function lockKey(tx: Tx, { tenant, key }: Once<never>) {
  try {
    const { rows } = await sql<{ request_hash: string; tag: string; expired: string | number }>`
      SELECT request_hash, tag, expires_at <= ${utcNow} AS expired FROM idempotency_keys
      WHERE tenant = ${tenant} AND idem_key = ${key} FOR UPDATE NOWAIT`.execute(tx);
    const [row] = rows;
    // MariaDB answers with a number, MySQL with a text.
    return row ? { ...row, isOver: Number(row.expired) === 1 } : null;
  } catch (error) {
    if (LOCKED.has(errnoOf(error))) throw keyInProgress();
    throw error;
  }
}

async function keepAnswer(tx: Tx, once: Once<never>, { status, location, body }: KeptAnswer): Promise<void> {
  await ofKey(tx.updateTable('idempotency_keys').set({ status, location, body }), once).execute();
}

interface Narrowed<Self> {
  where(column: 'tenant' | 'idem_key', is: '=', value: string): Self;
}

const ofKey = <Query extends Narrowed<Query>>(query: Query, { tenant, key }: Once<never>): Query =>
  query.where('tenant', '=', tenant).where('idem_key', '=', key);

/** What a key was used for; null = it is free, or its first request still runs. Without any lock. */
export async function readUsedKey(
  db: Kysely<Tables>,
  tenant: TenantId,
  key: string,
): Promise<UsedKey | null> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'status', 'location', 'body'])
    .where('tenant', '=', tenant)
    .where('idem_key', '=', key)
    .where('expires_at', '>', utcNow)
    .executeTakeFirst();
  if (!row || row.status === null || row.body === null) return null;
  const { request_hash: requestHash, status, location, body } = row;
  return { requestHash, answer: { status, location, body } };
}

/** Keys that are over, at most `limit` in one statement; tells how many. */
export function pruneKeys(db: Database, limit: number): Promise<number> {
  return withRetries(db.emit, async () => {
    const { numAffectedRows } = await sql`
      DELETE FROM idempotency_keys WHERE expires_at < ${utcNow} ORDER BY expires_at LIMIT ${limit}`.execute(
      db.sessions,
    );
    return Number(numAffectedRows ?? 0n);
  });
}
