// Events that wait for their next attempt, ordered by when it is due: a binary heap, because a failing receiver
// can put a whole window in here at once.

import type { LogEvent } from '../domain/log.ts';

export interface Retry {
  readonly event: LogEvent;
  /** The number of the next attempt, as the receiver sees it; 1 = the first. */
  readonly attempt: number;
  /** Attempts that failed so far by the event's own account: those of an outage do not count. */
  readonly failed: number;
}

interface Entry {
  readonly retry: Retry;
  readonly dueMs: number;
}

export class RetryQueue {
  readonly #heap: Entry[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** When the first is due; Infinity when nothing waits. */
  get nextDueMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity;
  }

  due(nowMs: number): boolean {
    return this.nextDueMs <= nowMs;
  }

  add(retry: Retry, dueMs: number): void {
    const heap = this.#heap;
    heap.push({ retry, dueMs });
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#dueAt(parent) <= dueMs) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** The one that is due first; throws when nothing waits. */
  take(): Retry {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last) throw new Error('nothing waits for a retry');
    if (heap.length === 0) return first.retry;
    heap[0] = last;
    this.#sink();
    return first.retry;
  }

  #sink(): void {
    let parent = 0;
    for (;;) {
      const left = parent * 2 + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const child = right < this.#heap.length && this.#dueAt(right) < this.#dueAt(left) ? right : left;
      if (this.#dueAt(parent) <= this.#dueAt(child)) return;
      this.#swap(parent, child);
      parent = child;
    }
  }

  #dueAt(index: number): number {
    return this.#heap[index]?.dueMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a];
    const second = this.#heap[b];
    if (!first || !second) throw new Error('heap index out of range');
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
