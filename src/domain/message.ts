// What goes into one request: one event as it is, or several as NDJSON lines or a JSON array.
// Owns how a webhook wants its events packed, which events may share a body, the body's bytes, the message's id, and
// how a message is halved. Refuses to choose when it is sent or what its answer means.
// Invariants: a message of one event is that event, under its own id, whatever the webhook's mode; a value gets into
// a batch only if no parser can take it for two values or for none (so one value never spoils its neighbours), and
// its bytes are copied once, never decoded and encoded again; the same events always have the same id.

import { hash } from 'node:crypto';
import { DEFAULT_CONTENT_TYPE } from './fixed-headers.ts';
import { isJson, isJsonLine, isOneLine } from './json-scan.ts';
import type { LogEvent } from './log.ts';

export const DELIVERY_MODES = ['single', 'ndjson', 'json-array'] as const;
export type DeliveryMode = (typeof DELIVERY_MODES)[number];

/** How a webhook wants its events. In mode `single` the two limits say nothing. */
export interface DeliveryProfile {
  readonly mode: DeliveryMode;
  /** Events in one request at most. */
  readonly maxEvents: number;
  /** Bytes of one request's body at most; an event that is larger goes alone. */
  readonly maxBytes: number;
}

export const BATCH_LIMITS = {
  maxEvents: { least: 1, most: 1_000, usual: 100 },
  maxBytes: { least: 1_024, most: 1_048_576, usual: 262_144 },
} as const;

export const SINGLE: DeliveryProfile = {
  mode: 'single',
  maxEvents: BATCH_LIMITS.maxEvents.usual,
  maxBytes: BATCH_LIMITS.maxBytes.usual,
};

export interface Message {
  /** At least one, in the order in which they were read. */
  readonly events: readonly LogEvent[];
  /** What its values were checked for; `single` when it was made of one event. */
  readonly mode: DeliveryMode;
  /** Of the body, or one byte more. */
  readonly bytes: number;
  /** The number of the next attempt of its events, as the receiver sees it; 1 = the first. */
  readonly attempt: number;
  /** Attempts that failed so far by its own account: those of an outage do not count, nor those of a larger batch. */
  readonly failed: number;
  /** The place of its first event among all that were taken for sending. */
  readonly rank: number;
}

const NOTHING = Buffer.alloc(0);
const NEWLINE = 10;
const COMMA = 44;
const OPEN = 91;
const CLOSE = 93;

const bytesOf = ({ value }: LogEvent): number => value?.length ?? 0;
/** Each value has a separator behind it, and an array one more byte. */
function bodyBytes(events: readonly LogEvent[]): number {
  let sum = 1;
  for (const event of events) sum += bytesOf(event) + 1;
  return sum;
}

/** A first message of the events that are queued from `from` on: at most `most`, and at least one. */
export function messageOf(
  queue: readonly LogEvent[],
  from: number,
  rank: number,
  profile: DeliveryProfile,
  most: number,
): Message {
  const count = most > 1 && profile.mode !== 'single' ? together(queue, from, profile, most) : 1;
  const events = queue.slice(from, from + count);
  if (events.length === 0) throw new Error('no event is queued there');
  const mode = count === 1 ? 'single' : profile.mode;
  return { events, mode, bytes: bodyBytes(events), attempt: 1, failed: 0, rank };
}

/** How many events from `from` on share a body; an event that may share none is one alone. */
function together(queue: readonly LogEvent[], from: number, profile: DeliveryProfile, most: number): number {
  const end = Math.min(queue.length, from + Math.min(most, profile.maxEvents));
  let bytes = 1;
  for (let at = from; at < end; at++) {
    const event = queue[at];
    if (!event) break;
    bytes += bytesOf(event) + 1;
    if (bytes > profile.maxBytes || !mayShare(event.value, profile.mode)) return Math.max(1, at - from);
  }
  return end - from;
}

/** Whether a value may stand beside others: UTF-8 that is one JSON value and, as a line, holds no line break. */
export function mayShare(value: Buffer | null, mode: DeliveryMode): boolean {
  if (value === null || mode === 'single') return false;
  return mode === 'ndjson' ? isJsonLine(value) : isJson(value);
}

/** Whether a message can still go as it is, now that the webhook or its limits may have changed. */
export function fits(
  message: Message,
  { mode, maxEvents, maxBytes }: DeliveryProfile,
  most: number,
): boolean {
  const { events } = message;
  if (events.length === 1) return true;
  if (mode === 'single' || events.length > Math.min(most, maxEvents) || message.bytes > maxBytes)
    return false;
  return (
    mode === 'json-array' ||
    message.mode === 'ndjson' ||
    events.every(({ value }) => value !== null && isOneLine(value))
  );
}

/** Two messages of half its events each, in their order; of two events or more. */
export function halvesOf(message: Message): readonly [Message, Message] {
  const { events, rank } = message;
  const middle = events.length >> 1;
  if (middle === 0) throw new Error('one event cannot be halved');
  const part = (from: number, to: number): Message => {
    const some = events.slice(from, to);
    return { ...message, events: some, bytes: bodyBytes(some), rank: rank + from };
  };
  return [part(0, middle), part(middle, events.length)];
}

/** The `webhook-id`: the event's own, or for a batch `b_` and SHA-256 of the ids inside, one per line. */
export function messageId({ events }: Message): string {
  const [first] = events;
  if (first && events.length === 1) return first.eventId;
  let ids = first?.eventId ?? '';
  for (let at = 1; at < events.length; at++) ids += `\n${events[at]?.eventId ?? ''}`;
  return `b_${hash('sha256', ids, 'base64url')}`;
}

/** `mode`: the webhook's, which the message fits; `single`: what it calls one event, which is in every mode as it is. */
export function contentType({ events }: Message, mode: DeliveryMode, single = DEFAULT_CONTENT_TYPE): string {
  if (events.length === 1) return single;
  return mode === 'ndjson' ? 'application/x-ndjson' : 'application/json';
}

/** The only copy of the values that a batch makes, in memory of `allocate`; one event's value goes as it is. */
export function bodyOf(
  { events }: Message,
  mode: DeliveryMode,
  allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes),
): Buffer {
  const [first] = events;
  if (first && events.length === 1) return first.value ?? NOTHING;
  const isArray = mode === 'json-array';
  const body = allocate(bodyBytes(events) - (isArray ? 0 : 1));
  const separator = isArray ? COMMA : NEWLINE;
  let at = isArray ? body.writeUInt8(OPEN, 0) : 0;
  for (const { value } of events) {
    if (value !== null) {
      body.set(value, at);
      at += value.length;
    }
    body[at++] = separator;
  }
  // The last separator becomes the array's end; as a line's end it stays.
  if (isArray) body.writeUInt8(CLOSE, at - 1);
  return body;
}
