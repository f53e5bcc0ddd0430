// Ends the exchanges of an AbortSignal with one listener per signal.
// A job shares one signal among hundreds of requests: a listener each is slow and Node warns from the 11th on.
// Invariant: at most one signal without exchanges keeps its listener (or the pause between two requests of a slow
// job would add and remove it each time), so that signals never pile up.

import type { Exchange } from './exchange.ts';

interface Watch {
  readonly exchanges: Set<Exchange>;
  readonly listener: () => void;
}

export class AbortWatch {
  readonly #watches = new Map<AbortSignal, Watch>();

  add(exchange: Exchange): void {
    const { signal } = exchange.request;
    const watch = this.#watches.get(signal) ?? this.#open(signal);
    watch.exchanges.add(exchange);
  }

  remove(exchange: Exchange): void {
    const { signal } = exchange.request;
    const watch = this.#watches.get(signal);
    watch?.exchanges.delete(exchange);
    if (watch?.exchanges.size === 0 && this.#watches.size > 1) this.#close(signal, watch);
  }

  /** Removes every listener; exchanges that still run can no longer be aborted. */
  close(): void {
    for (const [signal, watch] of this.#watches) this.#close(signal, watch);
  }

  #open(signal: AbortSignal): Watch {
    const exchanges = new Set<Exchange>();
    const listener = (): void => {
      for (const exchange of [...exchanges]) exchange.end('aborted');
    };
    signal.addEventListener('abort', listener, { once: true });
    const watch = { exchanges, listener };
    this.#watches.set(signal, watch);
    return watch;
  }

  #close(signal: AbortSignal, watch: Watch): void {
    signal.removeEventListener('abort', watch.listener);
    this.#watches.delete(signal);
  }
}
