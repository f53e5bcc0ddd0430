// How many requests one webhook may have in flight: additive increase, multiplicative decrease (RFC 5681's idea).
// Owns the window and the hold asked for by Retry-After; refuses clocks, timers and counting the flights itself.
// Invariants: 1 <= limit <= cap; one fault halves once: what was sent before the last halving cannot halve again
// (a full window failing together is one message from the receiver, not hundreds).

import { RepriseError } from './errors.ts';

const START = 8;
/** Latency must grow by this factor and by this much before it counts: noise of fast receivers is no overload. */
const BLOW_UP_FACTOR = 4;
const BLOW_UP_SLACK_MS = 50;
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

  /** Ms that everything is still held; 0 when nothing is. */
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

  /** A 429, 5xx, time-out or broken connection of a request sent at `sentAtMs`: halves, once per round trip. */
  strained(sentAtMs: number, nowMs: number): void {
    this.#halve(sentAtMs, nowMs, 1);
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
