// The memory that Fetch responses are read into, used again and again: a response of 1 MiB that is new memory each
// time costs its pages (0.1 µs per record of 1 KB) and calls V8's full collector, which counts outside memory and
// took more CPU than the scan. One for all connections of a thread, because what lies idle here is resident.
//
// Invariant: bytes that were given back are in nobody's hands. Giving back transfers the memory to a new
// ArrayBuffer, which empties every view of the old one, so a late reader sees no byte, and never those of the next
// response.

/** What is kept for the next response; what is more, or larger alone, goes back to the system at once. */
const KEEP_BYTES = 8 * 1024 * 1024;
/** Responses differ a little in size; one that is a bit longer must not need other memory. */
const GRAIN_BYTES = 64 * 1024;

/** The largest fetch is of 64 MiB, and what comes over that is one batch. A wrong length must not take it all. */
const LARGEST_BYTES = 512 * 1024 * 1024;

export class ResponseMemory {
  readonly #idle: ArrayBuffer[] = [];
  #idleBytes = 0;

  /** Nobody else's memory until it is given back. Throws RangeError when that is too much. */
  take(length: number): Buffer {
    if (length > LARGEST_BYTES) throw new RangeError(`a response of ${length} bytes is too large`);
    const last = this.#idle.pop();
    this.#idleBytes -= last?.byteLength ?? 0;
    if (last !== undefined && last.byteLength >= length) return Buffer.from(last, 0, length);
    last?.transfer(0);
    return Buffer.from(new ArrayBuffer(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES), 0, length);
  }

  /** `bytes` is what `take` gave, or a view of it; all views of it are empty afterwards. */
  give({ buffer }: Buffer): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.detached) return;
    if (this.#idleBytes + buffer.byteLength > KEEP_BYTES) return void buffer.transfer(0);
    this.#idleBytes += buffer.byteLength;
    this.#idle.push(buffer.transfer());
  }
}
