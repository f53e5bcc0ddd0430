// The database as the rest of the store uses it. Owned here: the two pools and what is known about the server.
// Opening does not connect: a server that is away at start is the same case as one that goes away later.
//
//   sessions       autocommit, one statement at a time: reads, heartbeats. A statement's deadline is a third of
//                  the lease: a heartbeat that hangs leaves time for another over a new connection
//   transactions   short wait_timeout, so that a stopped process cannot keep row locks (sessions.ts)

import { setTimeout as delay } from 'node:timers/promises';
import { Kysely, MysqlDialect, sql } from 'kysely';
import type { MysqlPool } from 'kysely';
import type { Emit } from '../domain/signals.ts';
import { surfaced } from './failures.ts';
import { migrateToLatest } from './migrate.ts';
import { Outage } from './outage.ts';
import type { Tables } from './schema.ts';
import { openSessions } from './sessions.ts';
import { withRetries } from './retries.ts';

export interface DatabaseOptions {
  /** mysql://user:password@host:port/name */
  readonly url: string;
  /** Most connections of each of the two pools. */
  readonly poolSize: number;
  readonly leaseMs: number;
  readonly emit: Emit;
}

export interface Database {
  readonly sessions: Kysely<Tables>;
  readonly transactions: Kysely<Tables>;
  readonly emit: Emit;
  /** Brings the schema up to date; any number of processes may do so at once. */
  migrate(): Promise<void>;
  /** Settings of the server under which a crash of its machine could forget a fence. */
  warnings(): Promise<readonly string[]>;
  /** Ends all connections, those in use after their statement, but waits no longer than two seconds. */
  close(): Promise<void>;
}

const CLOSE_MS = 2_000;
/** Least deadlines of one statement, however short the lease is. */
const SINGLE_MS = 1_000;
const IN_TRANSACTION_MS = 10_000;

export function openDatabase(options: DatabaseOptions): Database {
  const { url, poolSize: size, leaseMs, emit } = options;
  const outage = new Outage(emit);
  const lockWaitSeconds = Math.min(5, Math.max(1, Math.floor(leaseMs / 4_000)));
  const common = { url, size, lockWaitSeconds, outage };
  const halfLeaseSeconds = Math.max(1, Math.ceil(leaseMs / 2_000));
  const pools = [
    openSessions({
      ...common,
      waitTimeoutSeconds: null,
      statementTimeoutMs: Math.max(SINGLE_MS, Math.floor(leaseMs / 3)),
    }),
    openSessions({
      ...common,
      waitTimeoutSeconds: halfLeaseSeconds,
      statementTimeoutMs: Math.max(IN_TRANSACTION_MS, leaseMs),
    }),
  ] as const;
  const sessions = kyselyOver(pools[0]);
  const transactions = kyselyOver(pools[1]);
  return {
    sessions,
    transactions,
    emit,
    migrate: () => migrate(url, outage),
    warnings: () => withRetries(emit, () => durabilityWarnings(sessions)),
    close: async () => {
      await Promise.race([Promise.all(pools.map(end)), delay(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}

const kyselyOver = (pool: MysqlPool): Kysely<Tables> => new Kysely({ dialect: new MysqlDialect({ pool }) });

function end(pool: MysqlPool): Promise<void> {
  // An error while ending leaves nothing to do: the connections are gone either way.
  return new Promise((resolve) => pool.end(() => resolve()));
}

/** On a connection of its own without deadlines: it may wait for another process's migration. */
async function migrate(url: string, outage: Outage): Promise<void> {
  const pool = openSessions({
    url,
    size: 1,
    waitTimeoutSeconds: null,
    lockWaitSeconds: 50,
    statementTimeoutMs: null,
    outage,
  });
  try {
    await migrateToLatest(kyselyOver(pool));
  } catch (error) {
    throw surfaced(error);
  } finally {
    await end(pool);
  }
}

async function durabilityWarnings(db: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ flush: string | number; sync: string | number; log: string | number }>`
    SELECT @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS sync, @@log_bin AS log`.execute(db);
  const row = rows[0];
  if (!row) return [];
  const warnings: string[] = [];
  if (Number(row.flush) !== 1) {
    warnings.push(
      `innodb_flush_log_at_trx_commit is ${row.flush}, not 1: a crash of the database's machine can forget the last second, fences included`,
    );
  }
  if (Number(row.log) !== 0 && Number(row.sync) !== 1) {
    warnings.push(
      `sync_binlog is ${row.sync}, not 1: after a crash a replica can miss the last commits, fences included`,
    );
  }
  return warnings;
}
