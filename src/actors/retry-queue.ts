// Messages that wait for their next attempt: a binary heap, because a failing receiver can put a whole window in
// here at once. Ordered by when they are due, or in strict order by their place in the log alone.

import type { Message } from '../domain/message.ts';

interface Entry {
  readonly message: Message;
  readonly dueMs: number;
}

export class RetryQueue {
  readonly #isStrict: boolean;
  readonly #heap: Entry[] = [];
  #events = 0;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** In all messages. */
  get events(): number {
    return this.#events;
  }

  /** When the first is due; Infinity when nothing waits. */
  get nextDueMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity;
  }

  due(nowMs: number): boolean {
    return this.nextDueMs <= nowMs;
  }

  add(message: Message, dueMs: number): void {
    const heap = this.#heap;
    this.#events += message.events.length;
    heap.push({ message, dueMs });
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** The first; throws when nothing waits. */
  take(): Message {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last) throw new Error('nothing waits for a retry');
    this.#events -= first.message.events.length;
    if (heap.length === 0) return first.message;
    heap[0] = last;
    this.#sink();
    return first.message;
  }

  #sink(): void {
    let parent = 0;
    for (;;) {
      const left = parent * 2 + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const child = right < this.#heap.length && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, parent)) return;
      this.#swap(parent, child);
      parent = child;
    }
  }

  /** Of those that are due together the oldest goes first. */
  #isBefore(a: number, b: number): boolean {
    const first = this.#heap[a];
    const second = this.#heap[b];
    if (!first || !second) throw new Error('heap index out of range');
    if (!this.#isStrict && first.dueMs !== second.dueMs) return first.dueMs < second.dueMs;
    return first.message.rank < second.message.rank;
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a];
    const second = this.#heap[b];
    if (!first || !second) throw new Error('heap index out of range');
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
