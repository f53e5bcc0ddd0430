// Whether delivery may hand something over now: the webhook's proof, the endpoint's health and window, the repeat bound, the rate. What says
// no also says who wakes delivery again: a timer with the time that is to pass, or the cut that is asked for here.
// Refuses to look at the queue and at the lease. Invariant: tokens of the rate are taken only for a message that starts.

import type { CutKeeper } from './cut-keeper.ts';
import type { Endpoint } from './endpoint.ts';
import type { Run } from './run.ts';

export class Admission {
  readonly #run: Run;
  readonly #endpoint: Endpoint;
  readonly #cutKeeper: CutKeeper;
  readonly #wakeIn: (ms: number) => void;

  constructor(run: Run, endpoint: Endpoint, cutKeeper: CutKeeper, wakeIn: (ms: number) => void) {
    this.#run = run;
    this.#endpoint = endpoint;
    this.#cutKeeper = cutKeeper;
    this.#wakeIn = wakeIn;
  }

  /** Whether anything may start at all. `inFlight`: requests. */
  mayStart(inFlight: number, now: number): boolean {
    const { edges } = this.#run;
    const { window } = this.#endpoint;
    if (this.#endpoint.proof.isHeld) {
      // Wakes delivery itself, as soon as the webhook's row says more.
      this.#run.enter('waiting');
      return false;
    }
    if (this.#endpoint.health.isSuspended && !this.#mayProbe(inFlight, now)) return false;
    if (window.room(inFlight, now) === 0) {
      const heldMs = window.waitMs(now);
      if (heldMs > 0) {
        this.#run.enter('throttled');
        edges.emit('delivery.limited', { by: 'receiver', waitMs: heldMs });
        this.#wakeIn(heldMs);
      }
      return false;
    }
    return this.#isWithinBound(1);
  }

  /** Whether a message of so many events may: each counts against the repeat bound and the rate. */
  mayStartAll(events: number, now: number): boolean {
    if (!this.#isWithinBound(events)) return false;
    const paceMs = this.#endpoint.pace.take(now, events);
    if (paceMs === 0) return true;
    this.#run.enter('throttled');
    this.#run.edges.emit('delivery.limited', { by: 'rate', waitMs: paceMs });
    this.#wakeIn(paceMs);
    return false;
  }

  #isWithinBound(events: number): boolean {
    const mayStart = this.#run.progress.cut.mayStart(events);
    if (!mayStart) this.#cutKeeper.cutNow();
    return mayStart;
  }

  /** While the endpoint is down: one at a time, when the next probe is due. */
  #mayProbe(inFlight: number, now: number): boolean {
    const { health } = this.#endpoint;
    this.#run.enter('throttled');
    if (inFlight > 0) return false;
    const waitMs = health.nextProbeMs - now;
    if (waitMs <= 0) return true;
    this.#run.edges.emit('delivery.limited', { by: 'endpoint_down', waitMs });
    this.#wakeIn(waitMs);
    return false;
  }
}
