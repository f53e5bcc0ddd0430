// An owner that lives and gets nowhere: its heartbeat must not hide that, and a wait that is declared is no wedge.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench, LEASE_MS, StuckLog } from '../../support/memory-bench.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import { A, FROM } from '../../support/memory-stage.ts';

/** Far above what an owner may be silent for. */
const LONG_MS = 10 * LEASE_MS;
const FIRST_BATCH = 8;
const ids = Array.from({ length: 20 }, (_, n) => `e${n}`).toSorted();
const sources = new Map([[A, ids.map((id, n) => ({ key: 'ours', id, timestampMs: FROM + n }))]]);

let bench: Bench;
let log: StuckLog;
beforeEach(() => {
  bench = new Bench();
  log = new StuckLog(sources, () => FIRST_BATCH);
});
afterEach(() => {
  bench.end();
});

describe('an owner that stands still', () => {
  it('loses its lease, and another one ends the job', async () => {
    bench.own('stuck', log);
    await vi.waitUntil(() => bench.store.counts.delivered === FIRST_BATCH);
    const silentMs = await bench.untilDoubtful(LONG_MS);
    expect(silentMs, 'ms until its lease was doubtful').toBeLessThan(LONG_MS / 2);
    bench.nowMs = bench.leaseUntilMs + 1;
    await bench.own('next', new MemoryLog(sources, () => FIRST_BATCH)).ended;
    bench.store.check();
    expect(bench.store.job).toMatchObject({ state: 'COMPLETED', context: { outcome: 'complete', fence: 2 } });
    expect(bench.accepted.toSorted()).toEqual(ids);
  });

  it('keeps its lease while it has declared a wait', async () => {
    log.stuck = ({ onWait }) => onWait?.({ why: 'broker', sinceMs: 0, detail: 'away' });
    bench.own('waiting', log);
    await vi.waitUntil(() => bench.store.counts.delivered === FIRST_BATCH);
    expect(await bench.untilDoubtful(LONG_MS)).toBe(LONG_MS);
    expect(bench.leaseUntilMs).toBeGreaterThan(bench.nowMs);
  });

  it('keeps its lease while its receiver has not answered', async () => {
    const asked: string[] = [];
    bench.own('patient', log, (id) => {
      asked.push(id);
      return false;
    });
    await vi.waitUntil(() => asked.length > 0);
    expect(await bench.untilDoubtful(LONG_MS)).toBe(LONG_MS);
    expect(bench.leaseUntilMs).toBeGreaterThan(bench.nowMs);
  });
});
