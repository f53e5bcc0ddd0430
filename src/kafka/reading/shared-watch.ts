// The record times of a shared reading: walked once, judged by each member's own watch. What a member is told of
// disorder may be older than its own first record; that only makes it read on.

import { TimeWatch } from '../time-watch.ts';

interface Watching {
  readonly watch: TimeWatch;
}

export class SharedWatch extends TimeWatch {
  #active: readonly Watching[] = [];

  constructor() {
    super(Infinity, 0);
  }

  /** Of the slice that comes. */
  begin(active: readonly Watching[]): void {
    this.#active = active;
    this.disorderMs = 0;
  }

  /** The slice was scanned. */
  end(): void {
    for (const { watch } of this.#active) watch.disorderMs = Math.max(watch.disorderMs, this.disorderMs);
  }

  override batch(minMs: number, records: number): void {
    for (const { watch } of this.#active) watch.batch(minMs, records);
  }
}
