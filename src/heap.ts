// Keeps the process near the memory that is in use. V8 takes as much as a big machine has: its young space grows
// to 128 MB, its old one to four times what lives, and of what network and sockets leave behind outside of both
// it lets 64 MiB come together, then marks everything: 60 times in one replay, two thirds of what reading cost.
// Here a young collection (1 to 2 ms) follows each few MiB read and each 4,000 requests sent, by which time most
// of that is dead, and the old space may only double.
// Both halves of the young space stay at 32 MiB together, because what was touched of them once is resident for good.
// Loading the code touches as much before anything runs: that is given back at once (an idle instance: 165 MiB
// before, 130 with it).
// Measured with 1,000,000 records of 1 KB, 100,000 wanted, to a fast receiver (npm run bench -- memory), turn by
// turn on a busy machine: a peak of 284-345 MiB and 143 µs of CPU per event before, 238-260 MiB and 112 µs with
// the collections and kafka/free; 5.8 and 1.8 µs per record that is only scanned. Events of 200 bytes: 307-323 and
// 248-262 MiB. The bound came later: 2,000 tiny jobs through pools of 64 (npm run bench -- jobs) then peaked at
// 273-279 MiB instead of 366-373, signed events from memory at 113 instead of 137 (npm run bench -- deliver).

import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import type { Emit, Signals } from './domain/signals.ts';
import { fullCollection, youngCollection } from './kafka/free.ts';

/** Bytes of events between two collections; the scan threads sweep after what they fetch. */
const SWEEP_BYTES = 4 * 1024 * 1024;
/** Attempts between two collections; each leaves 3 KB in the young space. At 1,000 the collections took 1 us per event more. */
const SWEEP_ATTEMPTS = 4_000;
/** Growth of the old space between two full collections. */
const GROWTH_PERCENT = 100;
/** The young space of this thread, both halves. */
const YOUNG_BYTES = 32 * 1024 * 1024;
/** A half of a scan thread's: its garbage is little, and swept by itself. */
const THREAD_HALF_MIB = 4;

/** Call once, before any thread is started; `listen` is the signal bus. */
export function keepHeapSmall(listen: (listener: Emit) => unknown): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  // Both are read when a heap is made, so they are those of the threads to come; what bounds this one bounds them too.
  setFlagsFromString(`--min-semi-space-size=${THREAD_HALF_MIB}`);
  setFlagsFromString(`--max-semi-space-size=${THREAD_HALF_MIB}`);
  fullCollection();
  boundYoungSpace();
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

/**
 * The bound of this thread's young space was read when the process began. What V8 still asks, each time, is by how
 * much it grows. It grows in collections only; those of an idle process make it small, and it must grow again.
 */
function boundYoungSpace(): void {
  let factor = 0;
  const look = (): void => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const wanted = (young?.space_size ?? 0) < YOUNG_BYTES ? 2 : 1;
    if (wanted === factor) return;
    factor = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ['gc'] });
}
