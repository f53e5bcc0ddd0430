// What one run has to send: events as dedupe gave them, and messages that wait for their turn or their next attempt.
// Owns which comes next and what goes into one request. A batch never waits for events that have not come: what is queued
// goes, but delivery may take in first what has been offered already.
// Refuses to decide whether anything may be sent now. Invariant: in strict order an older message is always next,
// however long it still waits.

import type { LogEvent } from '../domain/log.ts';
import { fits, halvesOf, messageOf } from '../domain/message.ts';
import type { DeliveryProfile, Message } from '../domain/message.ts';
import { RetryQueue } from './retry-queue.ts';

/** Before all that is due. */
const AT_ONCE = -Infinity;

export interface Packing {
  readonly profile: DeliveryProfile;
  /** Events that one message may have at all. */
  readonly most: number;
}

export class Outbox {
  readonly #isStrict: boolean;
  readonly #waiting: RetryQueue;
  #queue: readonly LogEvent[] = [];
  #head = 0;
  #bytes = 0;
  #taken = 0;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
    this.#waiting = new RetryQueue(isStrict);
  }

  add(chunk: readonly LogEvent[]): void {
    this.#queue = this.#queue.slice(this.#head).concat(chunk);
    this.#head = 0;
    for (const { value } of chunk) this.#bytes += value?.length ?? 0;
  }

  /** Events that are in no message yet. */
  get queued(): number {
    return this.#queue.length - this.#head;
  }

  /** Events in messages that wait. */
  get waiting(): number {
    return this.#waiting.events;
  }

  get isEmpty(): boolean {
    return this.queued === 0 && this.#waiting.size === 0;
  }

  /** When the next waiting message is due; Infinity when none waits. */
  get nextDueMs(): number {
    return this.#waiting.nextDueMs;
  }

  /** Whether the queue has enough for a whole message. */
  holdsMessage({ profile, most }: Packing): boolean {
    return this.queued >= most || (this.queued > 0 && this.#bytes >= profile.maxBytes);
  }

  /** Whether `next` has something now. In strict order nothing overtakes a message that waits. */
  has(nowMs: number): boolean {
    if (this.#waiting.due(nowMs)) return true;
    return this.queued > 0 && !(this.#isStrict && this.#waiting.size > 0);
  }

  /** Whether the next message would be a new one and would be larger if more were queued. */
  wouldBeShort(nowMs: number, packing: Packing, room: number): boolean {
    if (this.#waiting.due(nowMs)) return false;
    return this.queued < room && !this.holdsMessage(packing);
  }

  /**
   * Takes the next message. A waiting one goes as it is, under the id that it had, unless the webhook or its limits
   * changed so that it cannot: then in halves. A new one has at most `room` events.
   */
  next(nowMs: number, packing: Packing, room: number): Message {
    while (this.#waiting.due(nowMs)) {
      const message = this.#waiting.take();
      if (fits(message, packing.profile, packing.most)) return message;
      for (const half of halvesOf(message)) this.#waiting.add(half, AT_ONCE);
    }
    const most = Math.min(packing.most, room);
    const message = messageOf(this.#queue, this.#head, this.#taken, packing.profile, most);
    const count = message.events.length;
    this.#head += count;
    this.#taken += count;
    for (const { value } of message.events) this.#bytes -= value?.length ?? 0;
    return message;
  }

  /** It could not be sent now: it stays the next. */
  putBack(message: Message): void {
    this.#waiting.add(message, AT_ONCE);
  }

  /** Its next attempt. */
  later(message: Message, dueMs: number): void {
    this.#waiting.add(message, dueMs);
  }
}
