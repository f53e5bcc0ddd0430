// All exchanges of one receiver that are not over, and what ends them from outside: their deadlines and their signals.
// One timer for all, set to the earliest deadline: deadlines are seconds away and answers come before them, so it
// fires about once per deadline and not once per request. One listener per signal: a job shares one signal among
// hundreds of requests, and Node warns from the 11th on.
// Invariants: an exchange is ended at its deadline, as exactly as a timer is; at most one signal without exchanges keeps its
// listener (or the pause between two requests of a slow job would add and remove it each time), so that signals never
// pile up.

/** An exchange, as far as it is ended from outside. */
export interface Flight {
  /** When it is ended, of performance.now(). */
  readonly dueMs: number;
  /** Kept here. */
  place: number;
  watch: Watch | null;
  /** Its time is over. */
  lapse(): void;
  end(failure: 'aborted'): void;
}

/** The exchanges of one signal. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly listener: () => void;
  exchanges: number;
}

export class Flights {
  /** In no order: each exchange knows its place. */
  readonly #all: Flight[] = [];
  readonly #watches = new Map<AbortSignal, Watch>();
  /** Nearly always the right one. */
  #lastWatch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = Infinity;

  add(exchange: Flight, signal: AbortSignal): void {
    const known = this.#lastWatch?.signal === signal ? this.#lastWatch : this.#watches.get(signal);
    const watch = known ?? this.#open(signal);
    this.#lastWatch = watch;
    watch.exchanges++;
    exchange.watch = watch;
    exchange.place = this.#all.push(exchange) - 1;
    this.dueBy(exchange.dueMs);
  }

  remove(exchange: Flight): void {
    const { place, watch } = exchange;
    const last = this.#all.pop();
    if (last && last !== exchange) {
      this.#all[place] = last;
      last.place = place;
    }
    if (watch && --watch.exchanges === 0 && this.#watches.size > 1) this.#close(watch);
    if (this.#all.length === 0) this.#disarm();
  }

  /** An exchange has a deadline at `dueMs` now, of performance.now(). */
  dueBy(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    this.#timer = setTimeout(this.#lapse, Math.max(1, Math.ceil(dueMs - performance.now())));
  }

  /** Removes every listener; exchanges that still run can no longer be aborted. */
  close(): void {
    for (const watch of this.#watches.values()) this.#close(watch);
  }

  #lapse = (): void => {
    this.#disarm();
    const now = performance.now();
    let nextMs = Infinity;
    for (const exchange of [...this.#all]) {
      if (exchange.dueMs <= now) exchange.lapse();
      else nextMs = Math.min(nextMs, exchange.dueMs);
    }
    this.dueBy(nextMs);
  };

  /** The last one went: a timer of nobody would keep the process awake. */
  #disarm(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerMs = Infinity;
  }

  #open(signal: AbortSignal): Watch {
    const listener = (): void => {
      for (const exchange of [...this.#all]) if (exchange.watch === watch) exchange.end('aborted');
    };
    const watch: Watch = { signal, listener, exchanges: 0 };
    signal.addEventListener('abort', listener, { once: true });
    this.#watches.set(signal, watch);
    return watch;
  }

  #close(watch: Watch): void {
    watch.signal.removeEventListener('abort', watch.listener);
    this.#watches.delete(watch.signal);
    if (this.#lastWatch === watch) this.#lastWatch = null;
  }
}
