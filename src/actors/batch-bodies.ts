// Memory for the bodies of batches, used again: a new buffer of 100 KB for each came to 54 full collections per million
// events, a tenth of the CPU (npm run bench -- deliver). In front of each body is room for what is signed before it.
// Refuses to know who reads a body: it is given back by the sender when its last byte has left, or not at all, and
// then it is the garbage collector's. Invariant: memory that was given out is in nobody else's hands.

import { SIGNING_ROOM } from '../domain/signature.ts';

/** Sizes are rounded up to this, so that batches of about the same size share their memory. */
const STEP_BYTES = 16 * 1_024;
/** What one run keeps at most: 64 batches of 100 KB in flight. */
const KEPT_BYTES = 8 * 1_024 * 1_024;

export class BatchBodies {
  /** Last used on top: it is still in the processor's cache. */
  readonly #spare: ArrayBuffer[] = [];
  #keptBytes = 0;

  /** Its content is undefined, and that of the SIGNING_ROOM bytes in front of it. */
  readonly take = (bytes: number): Buffer => {
    const needed = SIGNING_ROOM + bytes;
    const spare = this.#spare.pop();
    if (spare) {
      this.#keptBytes -= spare.byteLength;
      if (spare.byteLength >= needed) return Buffer.from(spare, SIGNING_ROOM, bytes);
    }
    const { buffer } = Buffer.allocUnsafeSlow(Math.ceil(needed / STEP_BYTES) * STEP_BYTES);
    return Buffer.from(buffer, SIGNING_ROOM, bytes);
  };

  /** `body`: of `take`, and nobody reads it any more. */
  readonly give = ({ buffer }: Buffer): void => {
    if (!(buffer instanceof ArrayBuffer) || this.#keptBytes + buffer.byteLength > KEPT_BYTES) return;
    this.#keptBytes += buffer.byteLength;
    this.#spare.push(buffer);
  };
}
