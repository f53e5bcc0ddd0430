// The owner's own view of its lease. The database decides who owns a job; this side only stops early enough.
//
//   heartbeat sent        answer        doubtful              stop              DB lets others reclaim
//        |------------------|--------------|--------------------|------------------------|
//        t0                                t0+lease-2*margin     t0+lease-margin          >= t0+lease
//
// The deadline counts from the moment BEFORE the heartbeat was sent, so it ends before the database's does.
// It is checked by the monotonic and by the wall clock (the first stands still while a machine sleeps, the
// second can be set back) when a request is handed to a socket. A process stopped between that check and the
// write can still let its window escape: that is part of the repeat bound, and receivers can reject by fence.

import type { Clock } from '../domain/clock.ts';
import type { LeaseKey } from '../domain/store.ts';

export interface LeaseMoment {
  readonly monoMs: number;
  readonly wallMs: number;
}

export class Lease {
  readonly key: LeaseKey;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #marginMs: number;
  #from: LeaseMoment;
  #lost = false;

  /** `from`: taken before the claim was sent. */
  constructor(key: LeaseKey, leaseMs: number, clock: Clock, from: LeaseMoment) {
    this.key = key;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#marginMs = Math.min(1_000, leaseMs / 10);
    this.#from = from;
  }

  static moment(clock: Clock): LeaseMoment {
    return { monoMs: clock.monoMs(), wallMs: clock.wallMs() };
  }

  /** A heartbeat that was sent at `sentAt` was accepted. */
  extended(sentAt: LeaseMoment): void {
    this.#from = sentAt;
  }

  /** The database said that it is somebody else's; final. */
  lose(): void {
    this.#lost = true;
  }

  get isLost(): boolean {
    return this.#lost;
  }

  /** Milliseconds in which the owner may still act; 0 or less when not. */
  get remainingMs(): number {
    if (this.#lost) return 0;
    const monoAge = this.#clock.monoMs() - this.#from.monoMs;
    const wallAge = this.#clock.wallMs() - this.#from.wallMs;
    return this.#leaseMs - this.#marginMs - Math.max(monoAge, wallAge);
  }

  /** Milliseconds since the last heartbeat that was accepted was sent. */
  get ageMs(): number {
    return this.#clock.monoMs() - this.#from.monoMs;
  }

  /** Whether a request may be handed to a socket now. */
  get mayAct(): boolean {
    return this.remainingMs > 0;
  }

  /** Near its end: a heartbeat should have been answered by now. */
  get isDoubtful(): boolean {
    return this.remainingMs <= this.#marginMs;
  }

  /** Until it becomes doubtful, then until it ends; null when it has. */
  get nextChangeMs(): number | null {
    const remainingMs = this.remainingMs;
    if (remainingMs > this.#marginMs) return remainingMs - this.#marginMs;
    return remainingMs > 0 ? remainingMs : null;
  }
}
