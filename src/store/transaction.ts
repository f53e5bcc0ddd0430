// One transaction, run whole or not at all. Owned here: BEGIN ... COMMIT, rollback on every error (1205 undoes
// only the statement, and would leave the rest open), retries of the whole.
//
// A COMMIT whose answer never came may have been done or not (seen at kill -9 of the server). The work is then
// run again with `doubt` set: under its locks, which the first run cannot hold any more, it looks whether
// its first run is there (by a tag or an id that is drawn before the first run) and repeats its answer.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { Database } from './database.ts';
import { failureOf } from './failures.ts';
import { withRetries } from './retries.ts';
import type { Tables } from './schema.ts';

export type Tx = Kysely<Tables>;

/** What the work wants: its value, and whether its writes shall stay. */
export interface Verdict<Value> {
  readonly keep: boolean;
  readonly value: Value;
}

export const keep = <Value>(value: Value): Verdict<Value> => ({ keep: true, value });
export const undo = <Value>(value: Value): Verdict<Value> => ({ keep: false, value });

export function inTransaction<Value>(
  db: Database,
  work: (tx: Tx, doubt: boolean) => Promise<Verdict<Value>>,
): Promise<Value> {
  let doubt = false;
  return withRetries(db.emit, () =>
    db.transactions.connection().execute(async (tx) => {
      await sql`START TRANSACTION`.execute(tx);
      const { keep: stays, value } = await rollingBackOnError(tx, () => work(tx, doubt));
      if (!stays) {
        await sql`ROLLBACK`.execute(tx);
        return value;
      }
      try {
        await sql`COMMIT`.execute(tx);
      } catch (error) {
        doubt = true;
        if (failureOf(error) !== 'lost') await rollBack(tx);
        throw error;
      }
      return value;
    }),
  );
}

async function rollingBackOnError<Value>(tx: Tx, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    await rollBack(tx);
    throw error;
  }
}

/** A session that cannot roll back is thrown away by sessions.ts; the first error is the one to tell. */
async function rollBack(tx: Tx): Promise<void> {
  try {
    await sql`ROLLBACK`.execute(tx);
  } catch {
    return;
  }
}
