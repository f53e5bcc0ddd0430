// Keeps the process near the memory that is in use. V8 takes as much as a big machine has: its young space grows
// to 128 MB, its old one to four times what lives, and of what network and sockets leave behind outside of both
// it lets 64 MiB come together, then marks everything: 60 times in one replay, two thirds of what reading cost.
// Here a young collection (1 to 2 ms) follows each few MiB read and each 4,000 requests sent, by which time most
// of that is dead, and the old space may only double.
// Measured with 1,000,000 records of 1 KB, 100,000 wanted, to a fast receiver (npm run bench -- memory), turn by
// turn on a busy machine: a peak of 284-345 MiB and 143 µs of CPU per event before, 238-260 MiB and 112 µs with
// this and kafka/free; 5.8 and 1.8 µs per record that is only scanned. Events of 200 bytes: 307-323 and 248-262 MiB.

import { setFlagsFromString } from 'node:v8';
import type { Emit, Signals } from './domain/signals.ts';
import { youngCollection } from './kafka/free.ts';

/** Bytes of events between two collections; the scan threads sweep after what they fetch. */
const SWEEP_BYTES = 4 * 1024 * 1024;
/** Attempts between two collections; each leaves 3 KB in the young space. At 1,000 the collections took 1 us per event more. */
const SWEEP_ATTEMPTS = 4_000;
/** Growth of the old space between two full collections. */
const GROWTH_PERCENT = 100;

/** Call once; `listen` is the signal bus. */
export function keepHeapSmall(listen: (listener: Emit) => unknown): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  const collect = youngCollection();
  let full = 0;
  listen((name, fields) => {
    if (name === 'read.batch') full += (fields as Signals['read.batch']).bytes / SWEEP_BYTES;
    else if (name === 'delivery.attempt') full += 1 / SWEEP_ATTEMPTS;
    if (full < 1) return;
    full = 0;
    collect();
  });
}
