// How many requests one webhook may have in flight: additive increase, multiplicative decrease (RFC 5681's idea).
// Owns the window, the hold asked for by Retry-After, and the rests of a window that cannot become narrower: one
// in flight alone was 1,456 requests/s to a receiver that answered each with a quick 429.
// Refuses clocks, timers and counting the flights itself.
// Invariants: 1 <= limit <= cap; one fault halves once: what was sent before the last halving cannot halve again
// (a full window failing together is one message from the receiver, not hundreds).

import { RepriseError } from './errors.ts';

const START = 8;
/** Latency must grow by this factor and by this much before it counts: noise of fast receivers is no overload. */
const BLOW_UP_FACTOR = 4;
const BLOW_UP_SLACK_MS = 50;
/**
 * Before the next request of a window of one that was strained again; doubles with each strain in a row. Short: an
 * endpoint that is down is probed in gaps of its own, which this must not stretch.
 */
const REST_MS = 50;
const REST_CAP_MS = 100;
/** Weight of one answer in the recent latency: about the last 16 answers. */
const RECENT = 1 / 16;
/** The calm latency creeps up by this share per answer, so that a receiver may become slower for good. */
const CREEP = 1.005;

export class Window {
  #cap: number;
  #size: number;
  /** Below it the window grows by 1 per answer (doubling per round trip), above by 1 per window of answers. */
  #threshold: number;
  #halvedAtMs = -Infinity;
  #heldUntilMs = -Infinity;
  #restMs = 0;
  #recentMs: number | null = null;
  #calmMs = Infinity;

  /** `cap`: the endpoint's concurrency, >= 1. Throws RepriseError invalid_request otherwise. */
  constructor(cap: number, start = START) {
    this.#cap = checked(cap);
    this.#size = Math.min(Math.max(1, start), cap);
    this.#threshold = cap;
  }

  /** Requests that may be in flight when nothing is held; a whole number, 1 <= limit <= cap. */
  get limit(): number {
    return Math.floor(this.#size);
  }

  /** Changes the cap while running. Throws like the constructor. */
  setCap(cap: number): void {
    if (this.#threshold === this.#cap) this.#threshold = checked(cap);
    this.#cap = checked(cap);
    this.#size = Math.min(this.#size, cap);
    this.#threshold = Math.min(this.#threshold, cap);
  }

  /** How many more may be sent now, given those in flight; 0 while held. */
  room(inFlight: number, nowMs: number): number {
    return this.waitMs(nowMs) > 0 ? 0 : Math.max(0, this.limit - inFlight);
  }

  /** Ms that everything is still held or rests; 0 when nothing does. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#heldUntilMs - nowMs);
  }

  /** Sends nothing before `untilMs` (Retry-After). A shorter wish never cuts a longer one. */
  slowDown(untilMs: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  /**
   * An answer without strain. `inFlight`: those in flight as it came, itself included: a window that is not used
   * must not grow, or a later rush would meet a width that nobody ever tried.
   */
  answered(sentAtMs: number, nowMs: number, inFlight: number): void {
    this.#restMs = 0;
    const durationMs = nowMs - sentAtMs;
    this.#recentMs =
      this.#recentMs === null ? durationMs : this.#recentMs + (durationMs - this.#recentMs) * RECENT;
    this.#calmMs = Math.min(this.#calmMs * CREEP, this.#recentMs);
    if (this.#recentMs > this.#calmMs * BLOW_UP_FACTOR + BLOW_UP_SLACK_MS) {
      // Latency alone is a guess: it never narrows the window below its start.
      this.#halve(sentAtMs, nowMs, Math.min(START, this.#cap));
      return;
    }
    if (inFlight * 2 < this.limit) return;
    const growth = this.#size < this.#threshold ? 1 : 1 / this.#size;
    this.#size = Math.min(this.#cap, this.#size + growth);
  }

  /**
   * A 429, 5xx, time-out or broken connection of a request sent at `sentAtMs`: halves, once per round trip; at a
   * window of one everything rests for a moment instead.
   */
  strained(sentAtMs: number, nowMs: number): void {
    if (this.#size > 1) this.#halve(sentAtMs, nowMs, 1);
    else if (sentAtMs >= this.#halvedAtMs) {
      this.#halvedAtMs = nowMs;
      this.#restMs = Math.min(REST_CAP_MS, Math.max(REST_MS, this.#restMs * 2));
      this.slowDown(nowMs + this.#restMs);
    }
  }

  #halve(sentAtMs: number, nowMs: number, floor: number): void {
    if (sentAtMs < this.#halvedAtMs || this.#size <= floor) return;
    this.#halvedAtMs = nowMs;
    this.#size = Math.max(floor, this.#size / 2);
    this.#threshold = this.#size;
    // Measured anew: the average still holds answers from the wider window and would halve again for them.
    this.#recentMs = null;
  }
}

function checked(cap: number): number {
  if (Number.isInteger(cap) && cap >= 1) return cap;
  throw new RepriseError('invalid_request', `A concurrency must be a whole number above 0, not ${cap}.`);
}
