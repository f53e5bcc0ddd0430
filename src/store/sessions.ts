// Connections to the database, made fit before anybody gets one. Owned here: session settings, statement
// deadline, and that a connection in doubt is thrown away instead of going back into the pool.
//
// Each new session gets READ COMMITTED (0-1 deadlocks per run where REPEATABLE READ had 3-477), UTC, and a
// strict sql_mode (whatever the server's default is, nothing is cut off silently). Sessions for transactions
// also get a short `wait_timeout`: a process that was stopped between SELECT ... FOR UPDATE and COMMIT would
// hide its row from every claimer for ever; so the server ends it and its locks. The price is that the server
// also closes pooled sessions that are merely idle: one idle for half of that time is checked before use.
//
// Everything has a deadline, because a network that drops packets tells nobody: without one, TCP tries for 15
// minutes. A session that is silent is thrown away, and with it, unasked, all that were last used before
// (outage.ts); so a dead pool costs its first user one deadline, not each user one more.

import { createPool } from 'mysql2';
import type { PoolConnection } from 'mysql2';
import type { MysqlPool, MysqlPoolConnection, MysqlQueryResult } from 'kysely';
import { failureOf, isSilence, unavailable } from './failures.ts';
import type { Outage } from './outage.ts';

export interface SessionOptions {
  readonly url: string;
  readonly size: number;
  /** Seconds after which the server ends an idle session; null = the server's own default. */
  readonly waitTimeoutSeconds: number | null;
  readonly lockWaitSeconds: number;
  /** A statement without an answer for so long counts as a lost database; null = no limit. */
  readonly statementTimeoutMs: number | null;
  readonly outage: Outage;
}

const SQL_MODE =
  'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
/** For the connection with its login, and for each setting after it. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Short: a session that is thrown away wrongly costs a new one. */
const CHECK_TIMEOUT_MS = 1_000;
/** The server's default wait_timeout is 8 h, but firewalls forget sooner. */
const IDLE_CHECK_MS = 60_000;
/**
 * None is prepared here, but the driver makes room for 16,000 with each connection: 0.5 MiB, which with pools of 64 was
 * 46 of the 100 MiB that lived in the heap. It takes 0 for its default.
 */
const PREPARED = 1;

type Done = (error: unknown, result: MysqlQueryResult) => void;
type Handed = (error: unknown, connection: MysqlPoolConnection) => void;

/** A pool as Kysely takes it. Connects when first asked, so the server may be away now. */
export function openSessions(options: SessionOptions): MysqlPool {
  const { waitTimeoutSeconds } = options;
  const pool = createPool({
    uri: options.url,
    connectionLimit: options.size,
    waitForConnections: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
    keepAliveInitialDelay: 10_000,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    timezone: 'Z',
    charset: 'UTF8MB4_GENERAL_CI',
    maxPreparedStatements: PREPARED,
  });
  const checkAfterMs = waitTimeoutSeconds === null ? IDLE_CHECK_MS : waitTimeoutSeconds * 500;
  const sessions = new WeakMap<PoolConnection, Session>();
  const { outage } = options;

  const take = (hand: Handed): void => {
    const fail = (error: unknown, raw?: PoolConnection): void => {
      raw?.destroy();
      raw?.release();
      if (isSilence(error)) outage.silent();
      outage.lost(error);
      hand(unavailable(error), undefined as never);
    };
    pool.getConnection((error, raw) => {
      if (error) {
        fail(error);
        return;
      }
      const known = sessions.get(raw);
      if (!known) {
        prepare(raw, options, (failed) => {
          if (failed) {
            fail(failed, raw);
            return;
          }
          const session = new Session(raw, options);
          sessions.set(raw, session);
          outage.back();
          hand(null, session);
        });
      } else if (known.usedAtMs <= outage.silentAtMs) {
        raw.destroy();
        take(hand);
      } else if (performance.now() - known.usedAtMs < checkAfterMs) hand(null, known);
      else {
        // Not `raw.ping`, which would wait for its answer for ever.
        raw.query({ sql: 'DO 0', timeout: CHECK_TIMEOUT_MS }, (gone) => {
          if (!gone) {
            hand(null, known);
            return;
          }
          if (isSilence(gone)) outage.silent();
          raw.destroy();
          take(hand);
        });
      }
    });
  };
  return { getConnection: take, end: (done) => pool.end(done) };
}

function prepare(raw: PoolConnection, options: SessionOptions, done: (error: unknown) => void): void {
  // The pool listens for the first error only; a second one, for instance a write into the closed socket,
  // would end the process.
  raw.on('error', () => undefined);
  const settings = [
    `time_zone = '+00:00'`,
    `sql_mode = '${SQL_MODE}'`,
    `innodb_lock_wait_timeout = ${options.lockWaitSeconds}`,
    ...(options.waitTimeoutSeconds === null ? [] : [`wait_timeout = ${options.waitTimeoutSeconds}`]),
  ];
  // By statement: the variable is called tx_isolation on MariaDB and transaction_isolation on MySQL.
  const set = (what: string, then: (error: unknown) => void): void => {
    raw.query({ sql: `SET SESSION ${what}`, timeout: CONNECT_TIMEOUT_MS }, then);
  };
  set('TRANSACTION ISOLATION LEVEL READ COMMITTED', (error) => {
    if (error) done(error);
    else set(settings.join(', '), done);
  });
}

/** One connection as Kysely sees it. */
class Session implements MysqlPoolConnection {
  readonly #raw: PoolConnection;
  readonly #options: SessionOptions;
  usedAtMs = performance.now();

  constructor(raw: PoolConnection, options: SessionOptions) {
    this.#raw = raw;
    this.#options = options;
  }

  get config(): object {
    return this.#raw.config;
  }

  get threadId(): number {
    return this.#raw.threadId;
  }

  connect(done?: (error: unknown) => void): void {
    done?.(null);
  }

  query(statement: string, values: readonly unknown[], done?: Done): { stream: () => never } {
    const { statementTimeoutMs, outage } = this.#options;
    const options =
      statementTimeoutMs === null ? { sql: statement } : { sql: statement, timeout: statementTimeoutMs };
    this.#raw.query(options, [...values], (error, result) => {
      if (error) {
        const failure = failureOf(error);
        // A session that could not roll back may still hold locks: nobody may get it again.
        if (failure === 'lost' || failure === 'away' || statement === 'ROLLBACK') this.#raw.destroy();
        if (isSilence(error)) outage.silent();
        if (failure === 'away') outage.lost(error);
      } else outage.back();
      done?.(error, result as unknown as MysqlQueryResult);
    });
    return {
      stream: () => {
        throw new Error('results are not streamed here');
      },
    };
  }

  destroy(): void {
    this.#raw.destroy();
  }

  release(): void {
    this.usedAtMs = performance.now();
    this.#raw.release();
  }
}
