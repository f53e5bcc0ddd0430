// How values cross the border between JavaScript and MySQL/MariaDB. Owned here: ids, times, JSON, keys.
//
//   BIGINT       strings on the way in (the driver would lose digits above 2^53), exact integers on the way out
//                (a quoted string compares with a BIGINT as a double)
//   DATETIME(6)  always UTC, text in both directions: nothing depends on a session's or a process's time zone
//   JSON         text on MariaDB (where it is LONGTEXT), objects or text on MySQL: both are read

import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { RepriseError } from '../domain/errors.ts';
import { isId } from '../domain/ids.ts';

/** A BIGINT as a literal integer. `text` is ours or checked by `isId`. */
export const bigint = (text: string): RawBuilder<string> => sql<string>`${BigInt(text)}`;

/** ms since 1970 -> 'YYYY-MM-DD HH:MM:SS.mmm'. */
export function toDatetime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}

/** 'YYYY-MM-DD HH:MM:SS.ffffff' -> ms since 1970, microseconds cut off. */
export function fromDatetime(text: string): number {
  return Date.parse(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`);
}

export const toDatetimeOrNull = (ms: number | null): string | null => (ms === null ? null : toDatetime(ms));
export const fromDatetimeOrNull = (text: string | null): number | null =>
  text === null ? null : fromDatetime(text);

/** Lone surrogates, which JSON in JavaScript may hold and MySQL refuses (errno 3140), become U+FFFD. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'string' ? part.toWellFormed() : part,
  );
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names what the column holds
export function fromJson<Value>(stored: unknown): Value {
  return (typeof stored === 'string' ? JSON.parse(stored) : stored) as Value;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names what the column holds
export function fromJsonOrNull<Value>(stored: unknown): Value | null {
  return stored === null ? null : fromJson<Value>(stored);
}

/** `UTC_TIMESTAMP(6)`: the database's clock at the start of the statement. */
export const utcNow = sql<string>`UTC_TIMESTAMP(6)`;

/** The database's now plus `ms`. */
export const utcNowPlus = (ms: number): RawBuilder<string> =>
  sql<string>`DATE_ADD(UTC_TIMESTAMP(6), INTERVAL ${Math.round(ms * 1000)} MICROSECOND)`;

/** A cursor is the last id or seq of the page before; anything else is the caller's mistake. */
export function cursorOf(cursor: string): string {
  return isId(cursor) ? cursor : refuseCursor();
}

export function refuseCursor(): never {
  throw new RepriseError('invalid_request', 'The cursor is not one that this list gave.', {
    faults: [{ pointer: 'cursor', detail: 'Pass nextCursor of the page before, unchanged.' }],
  });
}

/** At most `most` characters, for columns of bounded text that others' systems fill. */
export const clip = (text: string, most: number): string => text.slice(0, most).toWellFormed();
