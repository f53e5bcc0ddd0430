// How far a copy is behind, and which number is told when there is no good one.

import { expect, it } from 'vitest';
import { partitionLag, watchMirrors } from '../../../../src/kafka/mirror/lag.ts';
import type { SignalName, Signals } from '../../../../src/domain/signals.ts';
import { MemoryPartition } from './memory-partition.ts';

const at = (timestampMs: number) => ({ key: 'w', value: 'x', timestampMs });

function mirrorOf(upstream: MemoryPartition, copy: MemoryPartition) {
  return {
    upstream: { site: 'b', topic: 'log', connections: upstream.connections },
    copy: { site: 'a', topic: 'b.log', connections: copy.connections },
  };
}

const lagOf = (upstream: MemoryPartition, copy: MemoryPartition) => partitionLag(mirrorOf(upstream, copy), 0);

it('is the time between the newest records, and 0 for the same one in batches of another shape', async () => {
  const upstream = new MemoryPartition().append([at(10), at(90), at(30)]);
  const copy = new MemoryPartition().append([at(10)]);
  expect(await lagOf(upstream, copy)).toBe(20);
  copy.append([at(90)]).append([at(30)]);
  expect(await lagOf(upstream, copy)).toBe(0);
  copy.append([at(10), at(90)]);
  expect(await lagOf(upstream, copy)).toBe(0);
});

it('passes by markers, aborted transactions and what is open', async () => {
  const upstream = new MemoryPartition().append([at(10)]);
  upstream.append([at(500)], { transactional: true, producerId: 1 }).finish(1, 'abort');
  upstream.append([at(20)], { transactional: true, producerId: 2 }).finish(2, 'commit');
  upstream.append([at(600)], { transactional: true, producerId: 3 }).append([at(700)]);
  for (let i = 0; i < 20; i++) upstream.append([at(690)]);
  const copy = new MemoryPartition().append([at(10)]);
  expect(await lagOf(upstream, copy)).toBe(10);
  upstream.finish(3, 'commit');
  expect(await lagOf(upstream, copy)).toBe(680);
});

it('of a copy that has nothing is the age of all there is; unknown when that may be retention’s work', async () => {
  const upstream = new MemoryPartition().append([at(10)]).append([at(45)]);
  expect(await lagOf(upstream, new MemoryPartition())).toBe(35);
  const emptied = new MemoryPartition().append([at(10)]);
  emptied.logStart = 1;
  expect(await lagOf(upstream, emptied)).toBeNull();
  expect(await lagOf(emptied, upstream)).toBeNull();
});

it('is measured again and again, whatever fails meanwhile, until it is aborted', async () => {
  const [upstream, copy] = [new MemoryPartition().append([at(50)]), new MemoryPartition().append([at(20)])];
  const abort = new AbortController();
  const told: [SignalName, Signals[SignalName]][] = [];
  const emit = (name: SignalName, fields: Signals[SignalName]): void => {
    told.push([name, fields]);
    if (told.length === 1) copy.away = new Error('gone');
    if (told.length === 2) copy.away = null;
    if (told.length === 3) abort.abort();
  };
  await watchMirrors({ mirrors: [mirrorOf(upstream, copy)], intervalMs: 1 }, emit, abort.signal);
  const lag = ['mirror.lag', { source: 'a/b.log', upstream: 'b/log', partition: 0, latencyMs: 30 }];
  const retry = ['read.retry', { source: 'a/b.log', error: 'lag of the mirror: gone', attempt: 1 }];
  expect(told).toEqual([lag, retry, lag]);
});
