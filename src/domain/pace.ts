// How fast one webhook may be sent to: a token bucket that starts empty.
// Owns the tokens; refuses to read a clock (times are given) and to let an idle time pile up more than one burst.
// Invariant: in any span of t seconds at most rate * t + one burst are taken. Also across changes of the rate
// (time before a change counts at the old rate) and when the clock steps back (that time counts as nothing).
// What a stall of more than a burst loses is not regained: a bucket gives the most that this bound allows, and one
// burst of 100 ms is already 1 % of 10 s. Whoever regains more in the same 10 s breaks +1 % in the window that begins
// behind the stall; a stall of up to 200 ms keeps -1 % as it is.
// Empty at the start, because a reclaimed job would otherwise add a burst per restart.

import { RepriseError } from './errors.ts';

const BURST_MS = 100;
/** A timer may be this late without costing rate: at 10/s a bucket of exactly 1 lost 1.5 % to timers of 2 ms. */
const LATE_MS = 10;
/** A caller that waits exactly as told must not miss its token by rounding and be sent away for another timer. */
const ROUNDING = 1e-9;

export class Pace {
  #rate: number;
  #tokens = 0;
  #lastMs: number | null = null;

  /** `rate`: events per second, above 0; Infinity = no limit. Throws RepriseError invalid_request otherwise. */
  constructor(rate: number) {
    this.#rate = checked(rate);
  }

  /** Events per second. */
  get rate(): number {
    return this.#rate;
  }

  /** The most tokens that can be saved up: 100 ms of the rate, at least 1 and 10 ms of the rate. */
  get burst(): number {
    return Math.max(1 + (this.#rate * LATE_MS) / 1000, (this.#rate * BURST_MS) / 1000);
  }

  /**
   * The most events that one request may carry: half a burst, so that a bucket which waits until it holds them all is
   * not full, and loses nothing, when the timer comes late.
   */
  get most(): number {
    return Math.max(1, Math.floor(this.burst / 2));
  }

  /** Changes the rate from `nowMs` on. Throws like the constructor. */
  setRate(rate: number, nowMs: number): void {
    const next = checked(rate);
    this.#refill(nowMs);
    this.#rate = next;
    this.#tokens = Math.min(this.#tokens, this.burst);
  }

  /**
   * All or nothing: 0 = `count` tokens were taken; else the ms (may be a fraction) after which they can be there.
   * Throws for more than a burst, which would never be there.
   */
  take(nowMs: number, count = 1): number {
    if (count > this.burst) throw new Error(`${count} tokens are more than a burst of ${this.burst}`);
    const waitMs = this.waitMs(nowMs, count);
    if (waitMs === 0 && this.#rate !== Infinity) this.#tokens -= count;
    return waitMs;
  }

  /**
   * Takes up to `wanted` tokens and returns how many. With timers of 1 ms, a rate above 1,000/s is only reached
   * by taking all that came together meanwhile.
   */
  takeMany(nowMs: number, wanted: number): number {
    if (this.#rate === Infinity) return wanted;
    this.#refill(nowMs);
    const taken = Math.min(wanted, Math.floor(this.#tokens + ROUNDING));
    this.#tokens -= taken;
    return taken;
  }

  /** Ms until so many tokens are there; 0 when they are. Takes none. */
  waitMs(nowMs: number, count = 1): number {
    if (this.#rate === Infinity) return 0;
    this.#refill(nowMs);
    const missing = count - this.#tokens;
    return missing <= ROUNDING ? 0 : (missing * 1000) / this.#rate;
  }

  #refill(nowMs: number): void {
    const elapsedMs = this.#lastMs === null ? 0 : Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (this.#rate === Infinity) return;
    this.#tokens = Math.min(this.burst, this.#tokens + (elapsedMs * this.#rate) / 1000);
  }
}

function checked(rate: number): number {
  if (rate > 0) return rate;
  throw new RepriseError('invalid_request', `A rate must be above 0 events per second, not ${rate}.`);
}
