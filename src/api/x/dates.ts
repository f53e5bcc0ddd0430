// Times as X writes them: requests name minutes, `yyyymmddhhmm` in UTC; answers carry RFC 3339, of v1.1 in whole
// seconds. Pure. Invariant: a text is a date only as twelve ASCII digits of a minute that exists.

const MINUTE = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})$/;

/** The beginning of the minute in ms since 1970; null when the text is none. */
export function parseMinute(text: string): number | null {
  const parts = MINUTE.exec(text);
  if (!parts) return null;
  const [year, month, day, hour, minute] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (hour > 23 || minute > 59) return null;
  const date = new Date(0);
  // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  return date.setUTCHours(hour, minute);
}

/** `2016-06-02T23:54:02Z`, as v1.1 has it. */
export const formatSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** `2025-04-24T20:57:15.242Z`, as v2 has it. */
export const formatMillis = (ms: number): string => new Date(ms).toISOString();

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A setting in the words of X's messages: `5 days`, `90 minutes`. */
export function spanOf(ms: number): string {
  const say = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;
  if (ms % DAY_MS === 0) return say(ms / DAY_MS, 'day');
  if (ms % HOUR_MS === 0) return say(ms / HOUR_MS, 'hour');
  return say(Math.floor(ms / MINUTE_MS), 'minute');
}
