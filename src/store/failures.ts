// What a failed statement means. Decided by errno, never by the driver's code text (mysql2 names MariaDB's
// numbers after MySQL's table and gets some wrong). Owned here: which failures are worth the whole transaction
// again, and the one error that callers see when the database is away.

import { messageOf, RepriseError } from '../domain/errors.ts';

/**
 * `again`: the server undid it and says so; the whole transaction may run again.
 * `lost`: the connection broke; what was not committed is undone. `away`: there is no database to ask.
 */
export type Failure = 'again' | 'lost' | 'away' | 'other';

// 1213 deadlock; 1205 lock wait (undoes only the statement: roll back!); 1020 row changed since the snapshot
// (MariaDB 11); 1412 table definition changed; 1317 interrupted by KILL QUERY.
const AGAIN: ReadonlySet<number> = new Set([1213, 1205, 1020, 1412, 1317]);
// 1927 and 4031: killed, or closed for idleness; 1152-1161: the network below the server.
const LOST: ReadonlySet<number> = new Set([1927, 4031, 1152, 1153, 1158, 1159, 1160, 1161, 2006, 2013]);
// 1053 shutting down; 1040 and 1203 too many connections; 1290, 1792, 1836 read-only (a failover under way).
const AWAY: ReadonlySet<number> = new Set([1053, 1040, 1203, 1290, 1792, 1836]);

interface Described {
  readonly errno?: unknown;
  readonly code?: unknown;
  readonly fatal?: unknown;
}

/** The server's error number; 0 when it was the client or the network that failed. */
export function errnoOf(error: unknown): number {
  const errno = (error as Described | null)?.errno;
  return typeof errno === 'number' && errno > 0 ? errno : 0;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof RepriseError) return error.code === 'database_unavailable' ? 'away' : 'other';
  const errno = errnoOf(error);
  if (AGAIN.has(errno)) return 'again';
  if (LOST.has(errno)) return 'lost';
  if (AWAY.has(errno)) return 'away';
  // Trying again would only wait as long again.
  if (isSilence(error)) return 'away';
  const { fatal } = error as Described;
  return fatal === true ? 'lost' : 'other';
}

/** A statement without an answer within its deadline. */
export function isSilence(error: unknown): boolean {
  return (error as Described | null)?.code === 'PROTOCOL_SEQUENCE_TIMEOUT';
}

export const isDuplicateKey = (error: unknown): boolean => errnoOf(error) === 1062;

export function unavailable(cause: unknown): RepriseError {
  if (cause instanceof RepriseError) return cause;
  return new RepriseError('database_unavailable', 'Nothing was lost by that; try again in a moment.', {
    cause,
  });
}

/** What callers get: connection failures as `database_unavailable`, anything else as it is. */
export function surfaced(error: unknown): Error {
  if (failureOf(error) !== 'other') return unavailable(error);
  return error instanceof Error ? error : new Error(messageOf(error));
}
