// How long a copy is asked for, in which steps, and what is said when the best evidence cannot be had.

import { describe, expect, it } from 'vitest';
import { sourceName } from '../../../../src/domain/ids.ts';
import type { Pin } from '../../../../src/domain/job.ts';
import { copyProof, stepMs } from '../../../../src/kafka/mirror/copy-proof.ts';
import type { CopyQuestion, MirrorWait } from '../../../../src/kafka/mirror/copy-proof.ts';
import { aliasOf, heartbeatsOf } from '../../../../src/kafka/mirror/heartbeats.ts';
import type { Connections } from '../../../../src/kafka/connections.ts';
import { MemoryPartition } from './memory-partition.ts';

const never = new AbortController().signal;
const source = sourceName('a', 'b.log');
const pinOf = (topic: string): Pin => ({
  source: sourceName('a', topic),
  topic,
  partition: 0,
  start: 0,
  end: null,
  first: null,
});
const one = { key: 'w', value: 'x', timestampMs: 50 };
const gone = new Error('gone');

/** Upstream, copy and heartbeats at the copy's site, and a clock that only waits move. */
function scene(asked: Partial<CopyQuestion> = {}) {
  const [upstream, copy, beats] = [new MemoryPartition(), new MemoryPartition(), new MemoryPartition()];
  const waited: number[] = [];
  const told: (MirrorWait | null)[] = [];
  /** By the sum of the waits so far: what happens then. */
  const events = new Map<number, () => void>();
  let nowMs = 0;
  const here: Pick<Connections, 'use'> = {
    use: (topic, from, work) => (topic === 'b.heartbeats' ? beats : copy).connections.use(topic, from, work),
  };
  const question: CopyQuestion = {
    pins: [pinOf('log'), pinOf('b.log')],
    upstreams: { [source]: { site: 'b', topic: 'log' } },
    site: (name) => ({ a: here, b: upstream.connections })[name] ?? null,
    notBeforeMs: 100,
    fromMs: 0,
    limitMs: 60_000,
    upstreamLimitMs: 3_000,
    onWait: (of, wait) => {
      expect(of).toBe(source);
      told.push(wait);
    },
    clock: { monoMs: () => nowMs, wallMs: () => 1_000_000 + nowMs },
    wait: (ms) => {
      waited.push(ms);
      for (const end = nowMs + ms; nowMs < end;) events.get(++nowMs)?.();
      return Promise.resolve();
    },
    ...asked,
  };
  const ask = () => copyProof(question, never);
  return { upstream, copy, beats, waited, told, events, question, ask };
}

describe('the evidence', () => {
  it('is endOffsets at once for a copy that is whole, without a wait', async () => {
    const { upstream, copy, ask, waited, told } = scene();
    upstream.append([one]);
    copy.append([{ ...one, timestampMs: 1 }]).append([one]);
    expect(await ask()).toMatchObject([{ source, evidence: 'endOffsets', end: 2 }]);
    expect([waited, told]).toEqual([[], []]);
  });

  it('is waited for in growing steps, and the end is what the copy has when it was seen', async () => {
    const { upstream, copy, ask, waited, told, events } = scene();
    upstream.append([one]);
    copy.append([{ ...one, timestampMs: 20 }]);
    events.set(20_000, () => void copy.append([one, { ...one, timestampMs: 60 }]));
    expect(await ask()).toMatchObject([{ evidence: 'endOffsets', end: 3 }]);
    expect(waited).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    expect(told).toEqual([
      expect.objectContaining({ source, state: 'behind', lagMs: 30, sinceMs: 1_000_000 }),
      null,
    ]);
  });

  it('is none after the limit, to the millisecond, with what the copy has then', async () => {
    const { upstream, copy, ask, waited, events } = scene();
    upstream.append([one]);
    events.set(60_000, () => void copy.append([{ ...one, timestampMs: 1 }]));
    const [told] = await ask();
    expect(told).toMatchObject({ evidence: 'none', end: 1 });
    expect(told?.why).toContain('not in the copy');
    expect(waited.reduce((sum, ms) => sum + ms, 0)).toBe(60_000);
  });

  it('is none at once when nobody will know', async () => {
    const { upstream, copy, ask, waited } = scene();
    upstream.append([one]).logStart = 1;
    copy.append([one]);
    expect(await ask()).toMatchObject([{ evidence: 'none', end: 1 }]);
    expect(waited).toEqual([]);
  });

  it('waits for an open transaction to end', async () => {
    const { upstream, copy, ask, told, events } = scene();
    upstream.append([one], { transactional: true, producerId: 1 });
    copy.append([one]);
    events.set(1_000, () => void upstream.finish(1, 'commit'));
    expect(await ask()).toMatchObject([{ evidence: 'endOffsets', end: 1 }]);
    expect(told.map((wait) => wait?.state)).toEqual(['open_transaction', undefined]);
  });
});

describe('an upstream that is away', () => {
  it('is asked for its limit first, then a mirrored heartbeat of after the settle is enough', async () => {
    const { upstream, copy, beats, ask, waited } = scene();
    upstream.away = gone;
    copy.append([one]);
    beats.append([{ ...one, timestampMs: 100 }]);
    expect(await ask()).toMatchObject([{ evidence: 'heartbeats', end: 1, why: 'gone' }]);
    expect(waited.reduce((sum, ms) => sum + ms, 0)).toBe(3_750);
  });

  it('leaves a heartbeat from before the settle worth nothing', async () => {
    const { upstream, beats, ask } = scene();
    upstream.away = gone;
    beats.append([{ ...one, timestampMs: 99 }]);
    expect(await ask()).toMatchObject([{ evidence: 'none', end: 0, why: 'gone' }]);
    const later = scene();
    later.upstream.away = gone;
    later.events.set(30_000, () => void later.beats.append([{ ...one, timestampMs: 100 }]));
    expect(await later.ask()).toMatchObject([{ evidence: 'heartbeats' }]);
  });

  it('has no heartbeats topic, perhaps: none', async () => {
    const { upstream, beats, ask } = scene();
    [upstream.away, beats.away] = [gone, new Error('no such topic')];
    expect(await ask()).toMatchObject([{ evidence: 'none', why: 'gone' }]);
  });

  it('that comes back is asked', async () => {
    const { upstream, copy, beats, ask, events } = scene();
    upstream.append([one]).away = gone;
    copy.append([one]);
    beats.append([{ ...one, timestampMs: 100 }]);
    events.set(2_000, () => void (upstream.away = null));
    expect(await ask()).toMatchObject([{ evidence: 'endOffsets' }]);
  });

  it('that comes and goes is away anew each time', async () => {
    const { upstream, beats, ask, events, waited } = scene();
    upstream.append([one], { transactional: true, producerId: 1 }).away = gone;
    beats.append([{ ...one, timestampMs: 100 }]);
    events.set(1_000, () => void (upstream.away = null));
    events.set(3_000, () => void (upstream.away = gone));
    expect(await ask()).toMatchObject([{ evidence: 'heartbeats' }]);
    // Away at 250 to 750 ms, there at 1,750, away again from 3,750 on.
    expect(waited.reduce((sum, ms) => sum + ms, 0)).toBe(7_750);
  });

  it('and was never configured is one that is away', async () => {
    const { ask } = scene({ upstreams: { [source]: { site: 'c', topic: 'log' } } });
    const [told] = await ask();
    expect(told).toMatchObject({ evidence: 'none' });
    expect(told?.why).toContain('site c is not configured');
  });
});

it('the end is asked until the copy’s site answers', async () => {
  const { copy, told, ask, events } = scene({ limitMs: 1_000 });
  copy.append([one]);
  copy.away = gone;
  events.set(8_000, () => void (copy.away = null));
  expect(await ask()).toMatchObject([{ evidence: 'none', end: 1 }]);
  expect(told.at(-2)).toMatchObject({ state: 'copy_unreachable' });
  expect(told.at(-1)).toBeNull();
});

it('an abort ends it, and tells that nothing is waited for any more', async () => {
  const abort = new AbortController();
  const { upstream, question, told } = scene({
    wait: (_ms, signal) => {
      abort.abort();
      return Promise.reject(signal.reason as Error);
    },
  });
  upstream.append([one]);
  await expect(copyProof(question, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  expect(told.map((wait) => wait?.state)).toEqual(['behind', undefined]);
});

it('steps double up to five seconds', () => {
  expect([0, 1, 4, 5, 2000].map(stepMs)).toEqual([250, 500, 4000, 5000, 5000]);
});

it('heartbeats carry MirrorMaker’s name of the upstream', () => {
  expect(aliasOf('east.log', { site: 'dc2', topic: 'log' })).toBe('east');
  expect(aliasOf('log', { site: 'dc2', topic: 'log' })).toBe('dc2');
  expect(aliasOf('other', { site: 'dc2', topic: 'log' })).toBe('dc2');
  expect(heartbeatsOf('dc2')).toBe('dc2.heartbeats');
});
