// Whether the database answers: tells `database.lost` and `database.back` once per outage, however many
// connections and callers notice it; and remembers when it was last silent. A silence (packets dropped, nothing
// closed) says of all connections that were idle then that they may be dead without knowing it.

import { messageOf } from '../domain/errors.ts';
import type { Emit } from '../domain/signals.ts';

export class Outage {
  readonly #emit: Emit;
  #sinceMs: number | null = null;
  #silentAtMs = -Infinity;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** By `performance.now()`; -Infinity before the first silence. */
  get silentAtMs(): number {
    return this.#silentAtMs;
  }

  /** Something got no answer within its deadline. */
  silent(): void {
    this.#silentAtMs = performance.now();
  }

  lost(error: unknown): void {
    if (this.#sinceMs !== null) return;
    this.#sinceMs = performance.now();
    this.#emit('database.lost', { error: textOf(error) });
  }

  back(): void {
    if (this.#sinceMs === null) return;
    const awayMs = Math.round(performance.now() - this.#sinceMs);
    this.#sinceMs = null;
    this.#emit('database.back', { awayMs });
  }
}

/** A refused connection to a name with several addresses is an AggregateError without a message of its own. */
function textOf(error: unknown): string {
  const text = messageOf(error);
  const code = (error as { code?: unknown } | null)?.code;
  return text === '' && typeof code === 'string' ? code : text;
}
