// One budget of event bytes per instance, from which all its jobs draw. It bounds memory, not progress: a
// source whose pipe is empty may always take one batch (the caller's rule), or jobs that wait for each other's
// bytes would stand still for ever. Each run draws through its own share, which gives everything back at its end.

import type { LogEvent } from '../domain/log.ts';

/** What V8 keeps per event beside its value (383 bytes measured), and 56 for its digest. */
const EVENT_OVERHEAD_BYTES = 450;

export function heldBytes(event: LogEvent): number {
  return (event.value?.length ?? 0) + EVENT_OVERHEAD_BYTES;
}

export function heldBytesOf(events: readonly LogEvent[]): number {
  let bytes = 0;
  for (const event of events) bytes += heldBytes(event);
  return bytes;
}

export class MemoryBudget {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #used = 0;

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held by all shares. */
  get used(): number {
    return this.#used;
  }

  share(): BudgetShare {
    return new BudgetShare(this);
  }

  get hasRoom(): boolean {
    return this.#used < this.#limit;
  }

  change(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0 && this.hasRoom) this.nudge();
  }

  /** Lets everybody who waits look again. */
  nudge(): void {
    if (this.#waiting.size === 0) return;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next change that may matter, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

/** What one run holds of the budget. */
export class BudgetShare {
  readonly #budget: MemoryBudget;
  #held = 0;
  #closed = false;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Takes the bytes now, whether or not there is room. */
  take(bytes: number): void {
    if (this.#closed) return;
    this.#held += bytes;
    this.#budget.change(bytes);
  }

  release(bytes: number): void {
    if (this.#closed) return;
    this.#held -= bytes;
    this.#budget.change(-bytes);
  }

  /** Resolves when there is room, when `needless()` says that it need not wait, or when `signal` aborts. */
  async room(needless: () => boolean, signal: AbortSignal): Promise<void> {
    while (!this.#budget.hasRoom && !needless() && !signal.aborted) await this.#budget.changed(signal);
  }

  /** A pipe was emptied: its producer may take a batch although there is no room. */
  nudge(): void {
    if (!this.#budget.hasRoom) this.#budget.nudge();
  }

  /** Gives everything back; later calls do nothing. */
  close(): void {
    this.#budget.change(-this.#held);
    this.#held = 0;
    this.#closed = true;
    this.#budget.nudge();
  }
}
