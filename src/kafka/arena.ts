// Where the bytes of hits are copied to. A subarray of a fetch response would keep its whole megabyte alive for
// one wanted record of 200 bytes; a buffer per hit costs an allocation each. Chunks of 64 KiB are between.

const CHUNK_BYTES = 64 * 1024;

export class Arena {
  #chunk = Buffer.alloc(0);
  #used = 0;

  /** A copy of source[from, to) that pins at most one chunk. */
  copy(source: Buffer, from: number, to: number): Buffer {
    const length = to - from;
    if (length > CHUNK_BYTES / 4) {
      const own = Buffer.allocUnsafeSlow(length);
      source.copy(own, 0, from, to);
      return own;
    }
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    source.copy(this.#chunk, start, from, to);
    return this.#chunk.subarray(start, start + length);
  }
}
