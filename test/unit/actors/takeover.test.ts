// The two ways in which an event and its copy in another source go wrong at a crash, each as one short story: the
// event is lost (domain/cut.ts says why), or it is sent twice.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench, StuckLog } from '../../support/memory-bench.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import { A, B, FROM } from '../../support/memory-stage.ts';

const record = (id: string, ms: number) => ({ key: 'ours', id, timestampMs: FROM + ms });
const complete = { state: 'COMPLETED', context: { outcome: 'complete', fence: 2 } };

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => {
  bench.end();
});

describe('an owner that takes over', () => {
  it('sends what was in flight, though the cut has passed its copy', async () => {
    const sources = new Map([
      [A, [record('flying', 0)]],
      [B, [record('flying', 1), record('answered', 2)]],
    ]);
    const first = bench.own('first', new MemoryLog(sources, () => 10), (id) => id === 'answered');
    const { store } = bench;
    await vi.waitUntil(() => store.cut?.[B]?.next === 2 && store.counts.delivered === 1);
    first.abandon();
    await bench.own('second', new MemoryLog(sources, () => 10)).ended;
    expect(store.job).toMatchObject(complete);
    expect(bench.accepted).toEqual(['answered', 'flying']);
    expect(store.counts).toMatchObject({ matched: 3, delivered: 2, duplicates: 1 });
  });

  it('drops a copy of what the owner before it has delivered', async () => {
    const sources = new Map([
      [A, [record('twice', 0)]],
      [B, [record('once', 1), record('twice', 2)]],
    ]);
    const first = bench.own('first', new StuckLog(sources, () => 1));
    const { store } = bench;
    await vi.waitUntil(() => store.cut?.[A]?.next === 1 && store.counts.delivered === 2);
    first.abandon();
    await bench.own('second', new MemoryLog(sources, () => 1)).ended;
    expect(store.job).toMatchObject(complete);
    expect(bench.accepted).toEqual(['twice', 'once']);
    expect(store.counts).toMatchObject({ matched: 3, delivered: 2, duplicates: 1 });
  });
});
