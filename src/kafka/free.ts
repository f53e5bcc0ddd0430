// Gives the memory of a large buffer back at once. A fetch of 1 MiB is decompressed into buffers that are used
// for a millisecond, and V8 has no eye for them: it lets 64 MiB come together and then marks its whole heap. They
// alone were half of the CPU time of reading (5.8 µs per record of 1 KB, 4.3 without them).

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Frees the memory under a buffer; every view of it is empty afterwards. Only for a buffer that nobody else can
 * hold a view of. One that may lie in Node's pool is left alone.
 */
export function free({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}

type Collect = (options: { type: 'minor' } | { type: 'major'; flavor: 'last-resort' }) => void;

/** Collects this thread's young heap when it is called: 1 to 2 ms, and it frees buffers that V8 would let gather. */
export function youngCollection(): () => void {
  const gc = collector();
  return () => {
    gc({ type: 'minor' });
  };
}

/** Collects all of this thread's heap, and gives back what it does not need now. Takes some 100 ms. */
export function fullCollection(): void {
  collector()({ type: 'major', flavor: 'last-resort' });
}

/** A context that is made while the flag is set has the function: no flag is needed on the command line. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return gc;
}
