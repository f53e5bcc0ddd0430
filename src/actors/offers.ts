// What dedupe offers to delivery, in small chunks: what is offered at once is owed at once.

import type { LogEvent } from '../domain/log.ts';
import type { Pipe } from './pipe.ts';

/** At most 1 MiB of values. */
const CHUNK_EVENTS = 64;
const CHUNK_BYTES = 1_048_576;

export class Offers {
  readonly #work: Pipe<readonly LogEvent[]>;
  #chunk: LogEvent[] = [];
  #bytes = 0;

  constructor(work: Pipe<readonly LogEvent[]>) {
    this.#work = work;
  }

  add(event: LogEvent): void {
    this.#chunk.push(event);
    this.#bytes += event.value?.length ?? 0;
  }

  get isFull(): boolean {
    return this.#chunk.length >= CHUNK_EVENTS || this.#bytes >= CHUNK_BYTES;
  }

  /** Waits until delivery has room for it. */
  async flush(): Promise<void> {
    if (this.#chunk.length === 0) return;
    const chunk = this.#chunk;
    this.#chunk = [];
    this.#bytes = 0;
    await this.#work.put(chunk);
  }
}
