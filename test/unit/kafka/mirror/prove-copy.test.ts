// Proofs over two partitions in memory: every order of events that a real broker only shows by chance.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CopyProver, proveCopy } from '../../../../src/kafka/mirror/prove-copy.ts';
import { hasTwinBefore } from '../../../../src/kafka/mirror/last-record.ts';
import type { TestRecord } from '../record-batches.ts';
import { MemoryPartition } from './memory-partition.ts';

const never = new AbortController().signal;
const record = (value: string, timestampMs = 5): TestRecord => ({ key: 'w', value, timestampMs });

function mirrorOf(upstream: MemoryPartition, copy: MemoryPartition) {
  return {
    upstream: { site: 'b', topic: 'log', connections: upstream.connections },
    copy: { site: 'a', topic: 'b.log', connections: copy.connections },
    partition: 0,
  };
}

/** A record's number; equal numbers are twins. */
const numbered = (n: number): TestRecord => record(`event ${n}`, 1000 + (n % 7));

const story = fc
  .record({
    upstream: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 40 }),
    batch: fc.integer({ min: 1, max: 6 }),
    /** Where each run of the mirror ends; it begins again some records before. */
    runs: fc.array(fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 5 })), { maxLength: 5 }),
    before: fc.nat({ max: 3 }),
  })
  .map(({ runs, ...more }) => {
    const copied: number[] = [];
    let reached = 0;
    for (const [length, back] of runs) {
      const start = Math.max(0, reached - back);
      const end = Math.min(more.upstream.length, start + length);
      copied.push(...more.upstream.slice(start, end));
      reached = Math.max(reached, end);
    }
    return { ...more, copied, reached };
  });

function write(to: MemoryPartition, numbers: readonly number[], batch: number): void {
  for (let at = 0; at < numbers.length; at += batch) to.append(numbers.slice(at, at + batch).map(numbered));
}

describe('a proof', () => {
  it('is had when and only when the copy reached the last new record', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ upstream, batch, copied, reached, before }) => {
        const [there, here] = [new MemoryPartition(), new MemoryPartition()];
        write(there, upstream, batch);
        for (let i = 0; i < before; i++) here.append([record(`of before ${i}`, i)]);
        write(here, copied, 3);
        const told = await proveCopy(mirrorOf(there, here), 0, never);
        const lastNew = upstream.findLastIndex((n, index) => upstream.indexOf(n) === index);
        expect(told.state).toBe(reached > lastNew ? 'seen' : 'behind');
        if (told.state !== 'seen') return;
        expect(told.end).toBe(here.end);
        expect(new Set(copied)).toEqual(new Set(upstream));
      }),
      { numRuns: 500 },
    );
  });

  it('is had at the poll after the mirror came so far, and never reads the copy twice', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ upstream, batch }) => {
        const [there, here] = [new MemoryPartition(), new MemoryPartition()];
        write(there, upstream, batch);
        const prover = new CopyProver(mirrorOf(there, here), 0);
        const lastNew = upstream.findLastIndex((n, index) => upstream.indexOf(n) === index);
        for (const [index, n] of upstream.entries()) {
          expect((await prover.poll(never)).state).toBe(index > lastNew ? 'seen' : 'behind');
          here.append([numbered(n)]);
        }
        expect((await prover.poll(never)).state).toBe('seen');
        expect(here.fetched).toEqual([...new Set(here.fetched)].toSorted((x, y) => x - y));
      }),
      { numRuns: 100 },
    );
  });

  it('reads far back for a twin of the same time, and not behind it', async () => {
    const there = new MemoryPartition();
    for (let i = 0; i < 300; i++) there.append([record(`old ${i}`, i)]);
    there.append([record('twin', 1000)]);
    for (let i = 0; i < 300; i++) there.append([record(`between ${i}`, 1000 - (i % 3))]);
    there.append([record('twin', 1000)]);
    const here = new MemoryPartition().append([record('twin', 1000), record('between 0', 1000)]);
    const prover = new CopyProver(mirrorOf(there, here), 0);
    expect(await prover.poll(never)).toMatchObject({ state: 'behind', lagMs: 0 });
    here.append([record('between 299', 998)]);
    expect(await prover.poll(never)).toMatchObject({ state: 'seen', end: 3 });
    expect(Math.min(...there.fetched)).toBeGreaterThanOrEqual(290);
  });

  it('looks for twins in some 64 MiB of log at most', async () => {
    const [there, mib] = [new MemoryPartition(), Buffer.alloc(1024 * 1024)];
    for (let i = 0; i < 100; i++) there.append([{ ...record(''), key: `${i}`, value: mib }]);
    there.append([record('last')]);
    const here = new MemoryPartition().append([record('last')]);
    expect(await proveCopy(mirrorOf(there, here), 0, never)).toMatchObject({ state: 'seen' });
    expect(there.bytes / mib.length).toBeGreaterThan(64);
    expect(there.bytes / mib.length).toBeLessThan(72);
  });

  it('keeps the first watermark: what is produced later is not waited for', async () => {
    const there = new MemoryPartition().append([record('a')]);
    const here = new MemoryPartition();
    const prover = new CopyProver(mirrorOf(there, here), 0);
    expect(await prover.poll(never)).toMatchObject({ state: 'behind', lagMs: null });
    there.append([record('b', 6)]);
    here.append([record('a')]);
    expect(await prover.poll(never)).toMatchObject({ state: 'seen', end: 1 });
  });

  it('asks the upstream no more once it knows the record', async () => {
    const there = new MemoryPartition().append([record('a')]);
    const here = new MemoryPartition().append([record('older', 3)]);
    const prover = new CopyProver(mirrorOf(there, here), 0);
    expect(await prover.poll(never)).toMatchObject({ state: 'behind', lagMs: 2 });
    there.away = new Error('gone');
    here.append([record('a')]);
    expect(await prover.poll(never)).toMatchObject({ state: 'seen', end: 2 });
    expect(here.fetched).toEqual([1]);
  });
});

describe('transactions', () => {
  it('that were aborted last are passed by, however many', async () => {
    const there = new MemoryPartition().append([record('a')]);
    for (let i = 0; i < 50; i++) {
      there.append([record('void')], { transactional: true, producerId: i }).finish(i, 'abort');
    }
    const here = new MemoryPartition().append([record('a')]);
    expect(await proveCopy(mirrorOf(there, here), 0, never)).toMatchObject({ state: 'seen', end: 1 });
  });

  it('that are all there is leave nothing to copy', async () => {
    const there = new MemoryPartition().append([record('void')], { transactional: true, producerId: 1 });
    there.finish(1, 'abort');
    expect(await proveCopy(mirrorOf(there, new MemoryPartition()), 0, never)).toMatchObject({
      state: 'seen',
      end: 0,
    });
  });

  it('that are open below the watermark are waited for; later ones are not', async () => {
    const there = new MemoryPartition().append([record('a')]);
    there.append([record('b', 6)], { transactional: true, producerId: 1 }).append([record('c', 7)]);
    const here = new MemoryPartition().append([record('a')]);
    const prover = new CopyProver(mirrorOf(there, here), 0);
    expect(await prover.poll(never)).toMatchObject({ state: 'open_transaction', lastStable: 1 });
    there.append([record('d', 8)], { transactional: true, producerId: 2 });
    there.finish(1, 'commit');
    there.finish(2, 'commit').append([record('e', 9)]);
    expect(await prover.poll(never)).toMatchObject({ state: 'behind', lagMs: 2 });
    here.append([record('b', 6), record('c', 7)]);
    expect(await prover.poll(never)).toMatchObject({ state: 'seen', end: 3 });
  });
});

describe('an upstream', () => {
  const DAY = 86_400_000;

  it('without a record of the range lacks nothing in the copy', async () => {
    const there = new MemoryPartition().append([record('old', 5)]);
    there.afterWatermark = () => void there.append([record('too late', 6)]);
    expect((await proveCopy(mirrorOf(there, new MemoryPartition()), 6, never)).state).toBe('seen');
    there.truncate(1);
    const told = await proveCopy(mirrorOf(there, new MemoryPartition()), 6, never);
    expect(told).toMatchObject({ state: 'seen', end: 0 });
    expect(await proveCopy(mirrorOf(there, new MemoryPartition()), 5, never)).toMatchObject({
      state: 'behind',
    });
  });

  it.each([
    ['older than the range', 5 * DAY, 'seen'],
    ['of the range too, perhaps', DAY, 'unknown'],
  ])('that retention emptied of what is %s', async (_, retentionMs, state) => {
    const there = new MemoryPartition().append([record('a', 5)]);
    there.logStart = 1;
    there.settings.set('retention.ms', String(retentionMs)).set('retention.bytes', '-1');
    const told = await proveCopy(mirrorOf(there, new MemoryPartition()), Date.now() - 2 * DAY, never);
    expect(told.state).toBe(state);
  });

  it('that cannot be read at its end is unknown', async () => {
    const there = new MemoryPartition().append([record('a')]).append([record('b')]);
    there.damage(1);
    const here = new MemoryPartition().append([record('a')]).append([record('b')]);
    expect(await proveCopy(mirrorOf(there, here), 0, never)).toMatchObject({ state: 'unknown' });
  });

  it('that is cut off while it is asked must show what it has left', async () => {
    const there = new MemoryPartition().append([record('a')]);
    there.append([record('b')], { transactional: true, producerId: 1 });
    const here = new MemoryPartition();
    const prover = new CopyProver(mirrorOf(there, here), 0);
    expect(await prover.poll(never)).toMatchObject({ state: 'open_transaction' });
    there.truncate(1);
    expect(await prover.poll(never)).toMatchObject({ state: 'behind' });
    here.append([record('a')]);
    expect(await prover.poll(never)).toMatchObject({ state: 'seen', end: 1 });
  });

  it('that a mirror brought with a batch that cannot be read is not seen by it', async () => {
    const there = new MemoryPartition().append([record('a')]);
    const here = new MemoryPartition().append([record('a')]);
    here.damage(0);
    expect(await proveCopy(mirrorOf(there, here), 0, never)).toMatchObject({ state: 'behind' });
  });

  it('or a copy that is away is told as such, and both are asked again', async () => {
    const there = new MemoryPartition().append([record('a')]);
    const here = new MemoryPartition().append([record('a')]);
    const prover = new CopyProver(mirrorOf(there, here), 0);
    there.away = new Error('no route');
    expect(await prover.poll(never)).toEqual({ state: 'upstream_unreachable', why: 'no route' });
    [there.away, here.away] = [null, new Error('no light')];
    expect(await prover.poll(never)).toEqual({ state: 'copy_unreachable', why: 'no light' });
    here.away = null;
    expect(await prover.poll(never)).toMatchObject({ state: 'seen' });
  });

  it('gives way to an abort', async () => {
    const gone = AbortSignal.abort();
    const prover = new CopyProver(mirrorOf(new MemoryPartition(), new MemoryPartition()), 0);
    await expect(prover.poll(gone)).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error);
  });
});

it('a twin has the same time and bytes, and stands before', () => {
  const of = (offset: number, timestampMs: number, fingerprint: string) => ({
    offset,
    timestampMs,
    fingerprint,
  });
  const records = [of(0, 5, 'a'), of(1, 6, 'b'), of(2, 5, 'b'), of(3, 5, 'a')];
  expect(records.map((_, index) => hasTwinBefore(records, index))).toEqual([false, false, false, true]);
});
