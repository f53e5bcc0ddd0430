// A bounded pipe between two child actors: the data plane. A full pipe makes its producer wait, an empty one
// its consumer; nothing is pushed without demand. One producer, one consumer.

/** Why `put` or `take` rejected: the pipe was torn down because its job stops. */
export class PipeAborted extends Error {
  override readonly name = 'PipeAborted';
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Pipe<Item> {
  readonly #capacity: number;
  readonly #items: Item[] = [];
  #producer: Waiter | null = null;
  #consumer: Waiter | null = null;
  /** Called when the consumer took the last item. */
  onEmpty: () => void = () => undefined;
  #ended = false;
  #aborted = false;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Whether nothing is queued: its producer may then take one item beyond the memory budget. */
  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** Resolves when there is room again, so a producer works at most one item ahead. */
  async put(item: Item): Promise<void> {
    this.#check();
    if (this.#ended) throw new Error('put after end');
    this.#items.push(item);
    this.#wake('consumer');
    while (this.#items.length >= this.#capacity) {
      await new Promise<void>((resolve, reject) => {
        this.#producer = { resolve, reject };
      });
    }
  }

  /** The next item, or null after the end. */
  async take(): Promise<Item | null> {
    for (;;) {
      this.#check();
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#wake('producer');
        if (this.#items.length === 0) this.onEmpty();
        return item;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve, reject) => {
        this.#consumer = { resolve, reject };
      });
    }
  }

  /** No more items; what is queued can still be taken. */
  end(): void {
    this.#ended = true;
    this.#wake('consumer');
  }

  /** Both sides reject with PipeAborted, now and later; what was queued is the answer. */
  abort(): readonly Item[] {
    if (this.#aborted) return [];
    this.#aborted = true;
    const items = this.#items.splice(0);
    const error = new PipeAborted();
    this.#producer?.reject(error);
    this.#consumer?.reject(error);
    this.#producer = this.#consumer = null;
    return items;
  }

  #check(): void {
    if (this.#aborted) throw new PipeAborted();
  }

  #wake(side: 'producer' | 'consumer'): void {
    const waiter = side === 'producer' ? this.#producer : this.#consumer;
    if (side === 'producer') this.#producer = null;
    else this.#consumer = null;
    waiter?.resolve();
  }
}
