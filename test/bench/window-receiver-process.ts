// The good receiver of the neighbours' bench, in a process of its own: takes everything, and remembers by its own
// monotonic clock when each request had arrived. It also watches its own event loop: a receiver that stood still
// cannot say how evenly requests came. Ends with the process that forked it.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Receiver } from '../support/receiver.ts';

export type AskWindows = 'mark' | 'arrivals';

export interface Mark {
  readonly url: string;
  /** By this process's clock. */
  readonly atMs: number;
  readonly arrived: number;
  /** Longest standstill of this process since the last mark. */
  readonly stallMs: number;
}

export interface Arrivals {
  readonly atMs: readonly number[];
  readonly distinct: number;
}

const arrivals: number[] = [];
const receiver = await Receiver.start({
  storeBodies: false,
  keep: 10,
  answer: ({ atMs }) => {
    arrivals.push(atMs);
    return { status: 200 };
  },
});
const stalls = monitorEventLoopDelay({ resolution: 5 });
stalls.enable();

function mark(): Mark {
  const stallMs = stalls.max / 1e6;
  stalls.reset();
  return { url: receiver.url, atMs: performance.now(), arrived: arrivals.length, stallMs };
}

process.on('message', (ask: AskWindows) => {
  const { distinctIds: distinct } = receiver;
  process.send?.(ask === 'mark' ? mark() : ({ atMs: arrivals, distinct } satisfies Arrivals));
});
process.on('disconnect', () => process.exit(0));
process.send?.(mark());
