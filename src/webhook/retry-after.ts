// Reads the Retry-After header (RFC 9110, 10.2.3). Bounds are domain/backoff's business.

/** IMF-fixdate and the two obsolete forms all begin with a day's name; Date.parse alone would take "5.5" for May. */
const DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;

/** Ms from `nowMs` (since 1970) that the header asks to wait; null without one or when it is not understood. */
export function parseRetryAfterMs(header: string | string[] | undefined, nowMs: number): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (text === undefined || text === '') return null;
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  if (!DATE.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
