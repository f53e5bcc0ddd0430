// What a call of any generation asks for: webhook_id, from_date, to_date, from path, query or body.
// Owned here: their grammar, their window, and which error wins when several hold (docs/adr/0013-x.md): missing,
// unparsable, negative, not in the past, empty or too old range; in each of them the order of FIELDS.
// Refused: clocks and any I/O.

import { asWebhookId, isId, type WebhookId } from '../../domain/ids.ts';
import { parseMinute, spanOf } from './dates.ts';
import { X_ERRORS } from './errors.ts';

const FIELDS = ['webhook_id', 'from_date', 'to_date'] as const;
export type Given = Readonly<Record<(typeof FIELDS)[number], unknown>>;

interface Moment {
  /** As it was written. */
  readonly text: string;
  readonly ms: number;
}

export interface AskedRange {
  readonly webhookId: WebhookId;
  readonly from: Moment;
  readonly to: Moment;
}

export interface XWindow {
  /** How old `from_date` may be, to the minute. */
  readonly lookbackMs: number;
  /** How old each must be at least. */
  readonly fromAgeMs: number;
  readonly toAgeMs: number;
}

const MINUTE_MS = 60_000;
const LEAST_INT64 = -(2n ** 63n);

/** Throws XRefusal 357, 358 or 360. */
export function readRange(given: Given): AskedRange {
  for (const field of FIELDS) if (given[field] === undefined) throw X_ERRORS.missing(field);
  const [id, from, to] = FIELDS.map((field) => textOf(given[field])) as [string, string, string];
  const [fromMs, toMs] = [parseMinute(from), parseMinute(to)];
  const isNegative = isNegativeId(id);
  const webhookId = isNegative ? null : parseId(id);
  if (fromMs === null || toMs === null || (!isNegative && webhookId === null)) throw X_ERRORS.unparsable();
  if (webhookId === null) throw X_ERRORS.negativeId(id);
  return { webhookId, from: { text: from, ms: fromMs }, to: { text: to, ms: toMs } };
}

/** The id of a management route's path; throws XRefusal 358 or 360. */
export function readWebhookId(given: unknown): WebhookId {
  const id = textOf(given);
  if (isNegativeId(id)) throw X_ERRORS.negativeId(id);
  const webhookId = parseId(id);
  if (webhookId === null) throw X_ERRORS.unparsable();
  return webhookId;
}

/** Throws XRefusal 368 or 356. `nowMs` is the store's clock. */
export function checkWindow({ from, to }: AskedRange, nowMs: number, window: XWindow): void {
  if (from.ms > nowMs - window.fromAgeMs) throw X_ERRORS.notPast('from_date', from.text);
  if (to.ms > nowMs - window.toAgeMs) throw X_ERRORS.notPast('to_date', to.text);
  if (from.ms >= to.ms) throw X_ERRORS.emptyRange();
  // Dates are minutes: the minute in which the look-back begins can be asked for as a whole.
  const oldest = Math.floor((nowMs - window.lookbackMs) / MINUTE_MS) * MINUTE_MS;
  if (from.ms < oldest) throw X_ERRORS.tooOld(spanOf(window.lookbackMs));
}

/** A parameter that comes twice is a list; a member of a body can be anything. */
function textOf(given: unknown): string {
  if (typeof given !== 'string') throw X_ERRORS.unparsable();
  return given;
}

const isNegativeId = (text: string): boolean =>
  /^-\d{1,19}$/.test(text) && BigInt(text) < 0n && BigInt(text) >= LEAST_INT64;

/** X's ids are int64 in decimal and may be written with leading zeros. */
function parseId(text: string): WebhookId | null {
  if (!/^\d{1,19}$/.test(text)) return null;
  const plain = BigInt(text).toString();
  return isId(plain) ? asWebhookId(plain) : null;
}
