// The small running parts: pipe, lease, retry queue, memory budget, merge.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lease } from '../../../src/actors/lease.ts';
import { MemoryBudget } from '../../../src/actors/memory-budget.ts';
import { Merge } from '../../../src/actors/merge.ts';
import { Pipe, PipeAborted } from '../../../src/actors/pipe.ts';
import { RetryQueue } from '../../../src/actors/retry-queue.ts';
import { asJobId, asSourceName } from '../../../src/domain/ids.ts';
import type { EventBatch, LogEvent } from '../../../src/domain/log.ts';
import type { Message } from '../../../src/domain/message.ts';

const key = { jobId: asJobId('1'), fence: 1, token: 't' };

function event(source: string, offset: number, timestampMs: number): LogEvent {
  const place = { source: asSourceName(source), partition: 0, offset, timestampMs };
  return {
    ...place,
    value: Buffer.alloc(1),
    eventId: `${source}${offset}`,
    identity: '',
    digest: '',
    scannedBefore: 1,
  };
}

function waiting(rank: number, dueMs: number): Message {
  const events = [event('a', rank, dueMs)];
  return { events, mode: 'single', bytes: 3, attempt: 2, failed: 1, rank };
}

describe('a pipe', () => {
  it('makes its producer wait while it is full, and its consumer while it is empty', async () => {
    const pipe = new Pipe<number>(2);
    await pipe.put(1);
    let isThrough = false;
    const second = pipe.put(2).then(() => (isThrough = true));
    expect(await pipe.take()).toBe(1);
    await second;
    expect(isThrough).toBe(true);
    const waiting = Promise.all([pipe.take(), pipe.take()].slice(0, 1));
    expect(await waiting).toEqual([2]);
    const third = pipe.take();
    void pipe.put(3);
    expect(await third).toBe(3);
    pipe.end();
    expect(await pipe.take()).toBeNull();
  });

  it('rejects both sides once it is aborted', async () => {
    const pipe = new Pipe<number>(1);
    const put = pipe.put(1);
    pipe.abort();
    await expect(put).rejects.toBeInstanceOf(PipeAborted);
    await expect(pipe.take()).rejects.toBeInstanceOf(PipeAborted);
  });
});

describe('a lease', () => {
  const at = { monoMs: 0, wallMs: 0 };
  it.each([
    ['the monotonic clock', { monoMs: 9_500, wallMs: 0 }],
    ['the wall clock, as after a sleep of the machine', { monoMs: 0, wallMs: 9_500 }],
  ])('ends by %s', (_name, then) => {
    const now = { ...at };
    const lease = new Lease(key, 10_000, { monoMs: () => now.monoMs, wallMs: () => now.wallMs }, at);
    expect(lease.mayAct).toBe(true);
    Object.assign(now, then);
    expect(lease.mayAct).toBe(false);
    lease.extended({ ...now });
    expect(lease.mayAct).toBe(true);
    lease.lose();
    expect(lease.mayAct).toBe(false);
  });

  it('is doubtful before it ends', () => {
    const now = { monoMs: 8_500, wallMs: 8_500 };
    const lease = new Lease(key, 10_000, { monoMs: () => now.monoMs, wallMs: () => now.wallMs }, at);
    expect(lease.mayAct).toBe(true);
    expect(lease.isDoubtful).toBe(true);
  });
});

describe('the retry queue', () => {
  it('gives what is due first', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000 })), (dues) => {
        const queue = new RetryQueue(false);
        for (const [i, due] of dues.entries()) queue.add(waiting(i, due), due);
        expect(queue.events).toBe(dues.length);
        const taken = dues.map(() => queue.take()).map(({ events, rank }) => [events[0]?.timestampMs, rank]);
        const sorted = dues
          .map((due, rank) => [due, rank] as const)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(taken).toEqual(sorted);
        expect([queue.size, queue.events]).toEqual([0, 0]);
      }),
    );
  });

  it('in strict order gives the oldest, however long it waits', () => {
    const queue = new RetryQueue(true);
    for (const [rank, due] of [
      [2, 0],
      [0, 900],
      [1, 5],
    ] as const) {
      queue.add(waiting(rank, due), due);
    }
    expect(queue.due(899)).toBe(false);
    expect(queue.nextDueMs).toBe(900);
    expect([queue.take().rank, queue.take().rank, queue.take().rank]).toEqual([0, 1, 2]);
  });
});

describe('the memory budget', () => {
  it('makes a source wait for room, unless it need not, and gets everything back at the end of a run', async () => {
    const budget = new MemoryBudget(100);
    const one = budget.share();
    const two = budget.share();
    const never = new AbortController().signal;
    one.take(100);
    await two.room(() => true, never);
    let hasRoom = false;
    const waiting = two.room(() => false, never).then(() => (hasRoom = true));
    one.take(50);
    one.release(20);
    expect(budget.used).toBe(130);
    expect(hasRoom).toBe(false);
    one.close();
    await waiting;
    expect(budget.used).toBe(0);
    one.release(10);
    expect(budget.used).toBe(0);
  });
});

describe('the merge', () => {
  function batchOf(
    source: string,
    events: LogEvent[],
    next: number,
    done: boolean,
    frontierMs = 0,
  ): EventBatch {
    const name = asSourceName(source);
    return {
      source: name,
      events,
      next,
      scanned: events.length,
      bytes: 0,
      frontierMs,
      gaps: [],
      disorderMs: 0,
      done,
    };
  }

  it('gives the oldest of all sources first and passes every batch', async () => {
    const sources = ['a', 'b'].map((name) => ({
      source: asSourceName(name),
      batches: new Pipe<EventBatch>(9),
    }));
    const passed: number[] = [];
    const merge = new Merge(sources, { batch: ({ next }) => passed.push(next) });
    const [a, b] = sources.map(({ batches }) => batches);
    void a?.put(batchOf('a', [event('a', 0, 10), event('a', 1, 30)], 2, false, 30));
    void a?.put(batchOf('a', [], 5, true));
    void b?.put(batchOf('b', [event('b', 0, 20)], 1, false, 20));
    void b?.put(batchOf('b', [event('b', 7, 40)], 8, true));
    for (const pipe of [a, b]) pipe?.end();
    const times: number[] = [];
    for (let next = await merge.next(); next; next = await merge.next()) times.push(next.timestampMs);
    expect(times).toEqual([10, 20, 30, 40]);
    expect(passed.sort((x, y) => x - y)).toEqual([1, 2, 5, 8]);
  });

  it('waits for a source that may still hold something older', async () => {
    const sources = ['a', 'b'].map((name) => ({
      source: asSourceName(name),
      batches: new Pipe<EventBatch>(9),
    }));
    const merge = new Merge(sources, { batch: () => undefined });
    const [a, b] = sources.map(({ batches }) => batches);
    void a?.put(batchOf('a', [event('a', 0, 100)], 1, true));
    void b?.put(batchOf('b', [], 3, false, 50));
    const next = merge.next();
    void b?.put(batchOf('b', [event('b', 3, 60)], 4, true));
    expect((await next)?.timestampMs).toBe(60);
  });
});
