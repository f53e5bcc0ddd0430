// The rules of a time range, pure: what a replay may be asked for, seen at one instant of the store's clock.
// Owned here: RFC 3339 and the order and age of both ends. Refused: clocks and any I/O.
// Invariant: a range that passes is half-open [fromMs, toMs) in whole ms and means exactly what was written.

import type { InputFault } from '../domain/errors.ts';

/** `to` may be this far in the future of the store's clock, because clients' clocks differ (ms). */
export const CLOCK_TOLERANCE_MS = 5000;
export const INSTANT_FORM =
  'an RFC 3339 time such as 2026-01-31T09:30:00Z or 2026-01-31T10:30:00.250+01:00, of a day that exists';

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * An RFC 3339 time as ms since 1970; null when it is none. Parts of a ms round up: a record's timestamp is a
 * whole ms, so `>= x` and `< x` say the same about it before and after.
 */
export function parseInstant(text: string): number | null {
  const parts = RFC3339.exec(text);
  if (!parts) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // 2026-02-30 rolls over into March: then it was no date.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const fraction = Math.ceil(Number((parts[7] ?? '').padEnd(9, '0')) / 1_000_000);
  const offset = (offsetHour * 60 + offsetMinute) * (parts[8] === '-' ? -1 : 1);
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction;
}

/** RFC 3339 in UTC with milliseconds. */
export const formatInstant = (ms: number): string => new Date(ms).toISOString();

export type RangeCheck =
  | { readonly ok: true; readonly fromMs: number; readonly toMs: number }
  | { readonly ok: false; readonly faults: readonly InputFault[] };

/**
 * Checks a range at `nowMs` (ms since 1970, the store's clock); `lookbackMs` is how old `from` may be.
 * All that is wrong is told at once, as pointers into the request's body.
 */
export function checkRange(from: string, to: string, nowMs: number, lookbackMs: number): RangeCheck {
  const [fromMs, toMs] = [parseInstant(from), parseInstant(to)];
  const faults: InputFault[] = [];
  const refuse = (pointer: string, detail: string) => faults.push({ pointer, detail });
  if (fromMs === null) refuse('/from', `is not a time; allowed: ${INSTANT_FORM}`);
  if (toMs === null) refuse('/to', `is not a time; allowed: ${INSTANT_FORM}`);
  if (fromMs !== null && fromMs > nowMs) {
    refuse('/from', `is in the future; allowed: at most ${formatInstant(nowMs)}, the time here`);
  }
  if (fromMs !== null && fromMs < nowMs - lookbackMs) {
    const oldest = formatInstant(nowMs - lookbackMs);
    refuse('/from', `is older than what is kept for replays; allowed: ${oldest} or later`);
  }
  if (toMs !== null && toMs > nowMs + CLOCK_TOLERANCE_MS) {
    refuse('/to', `is in the future; allowed: at most ${formatInstant(nowMs)}, the time here`);
  }
  if (fromMs !== null && toMs !== null && fromMs >= toMs) {
    refuse('/to', 'is not after `from`; allowed: a range of at least 1 ms, `from` inside and `to` outside');
  }
  if (fromMs === null || toMs === null || faults.length > 0) return { ok: false, faults };
  return { ok: true, fromMs, toMs };
}
