// What a job learns of its mirrored sources, and an operator of the mirror, on a real broker.

import { describe, expect, it } from 'vitest';
import type { Pin } from '../../../src/domain/job.ts';
import { sourceName } from '../../../src/domain/ids.ts';
import type { Connections } from '../../../src/kafka/connections.ts';
import { copyProof } from '../../../src/kafka/mirror/copy-proof.ts';
import type { CopyQuestion, MirrorWait } from '../../../src/kafka/mirror/copy-proof.ts';
import { watchMirrors } from '../../../src/kafka/mirror/lag.ts';
import { T, brokers, createTopic, message, never, producer } from './cluster.ts';
import { events, openScene, write } from './mirror-scene.ts';
import type { Scene } from './mirror-scene.ts';
import { startProxy } from './proxy.ts';

describe('a job’s proof', () => {
  function question(of: Scene, more: Partial<CopyQuestion> = {}) {
    const source = sourceName('dc1', of.copyTopic);
    const pin: Pin = { source, topic: of.copyTopic, partition: 0, start: 0, end: null, first: null };
    const states: (MirrorWait['state'] | null)[] = [];
    const sites: Partial<Record<string, Connections>> = { dc1: of.copySite, dc2: of.upstreamSite };
    const asked: CopyQuestion = {
      pins: [pin],
      upstreams: { [source]: { site: 'dc2', topic: of.topic } },
      site: (name) => sites[name] ?? null,
      notBeforeMs: T + 1000,
      fromMs: T - 1000,
      limitMs: 60_000,
      upstreamLimitMs: 300,
      ...more,
      onWait: (told, wait) => {
        expect(told).toBe(source);
        states.push(wait?.state ?? null);
        more.onWait?.(told, wait);
      },
    };
    return { states, asked };
  }

  it('waits for a late record and ends with endOffsets', async () => {
    const of = await openScene();
    await write(of.topic, events(0, 3));
    await write(of.copyTopic, events(0, 2));
    const late = Promise.withResolvers<undefined>();
    const { asked, states } = question(of, { onWait: () => late.resolve(undefined) });
    const proof = copyProof(asked, never);
    await late.promise;
    await write(of.copyTopic, events(1, 3));
    expect(await proof).toMatchObject([{ evidence: 'endOffsets', end: 4 }]);
    expect(states).toEqual(['behind', null]);
  });

  it('falls back on heartbeats while the upstream is away, and on nothing without them', async () => {
    const proxy = await startProxy();
    const of = await openScene({}, proxy.brokers);
    await write(of.topic, events(0, 3));
    await write(of.copyTopic, events(0, 3));
    expect(await copyProof(question(of).asked, never)).toMatchObject([{ evidence: 'endOffsets', end: 3 }]);
    proxy.cut();
    const { asked, states } = question(of, { limitMs: 500 });
    expect(await copyProof(asked, never)).toMatchObject([{ evidence: 'none', end: 3 }]);
    expect(states).toEqual(expect.arrayContaining(['upstream_unreachable']));
    await createTopic(`${of.alias}.heartbeats`);
    await write(`${of.alias}.heartbeats`, [message('beat', 999)]);
    expect(await copyProof(asked, never)).toMatchObject([{ evidence: 'none' }]);
    await write(`${of.alias}.heartbeats`, [message('beat', 1000)]);
    expect(await copyProof(question(of).asked, never)).toMatchObject([{ evidence: 'heartbeats', end: 3 }]);
    proxy.heal();
    expect(await copyProof(question(of).asked, never)).toMatchObject([{ evidence: 'endOffsets', end: 3 }]);
  });

  it('needs an upstream that dies only until it has named its last record', async () => {
    const proxy = await startProxy();
    const of = await openScene({}, proxy.brokers);
    await write(of.topic, events(0, 3));
    const behind = Promise.withResolvers<undefined>();
    const { asked } = question(of, { onWait: () => behind.resolve(undefined) });
    const proof = copyProof(asked, never);
    await behind.promise;
    proxy.cut();
    await write(of.copyTopic, events(0, 3));
    expect(await proof).toMatchObject([{ evidence: 'endOffsets', end: 3 }]);
  });

  it('gives way to an abort while nothing answers', async () => {
    const proxy = await startProxy();
    const of = await openScene({}, proxy.brokers);
    proxy.cut();
    const abort = new AbortController();
    const { asked, states } = question(of, { onWait: () => abort.abort() });
    await expect(copyProof(asked, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(states.at(-1)).toBeNull();
  });
});

it('the latency of a mirror is told for each partition that has records', async () => {
  const of = await openScene({}, brokers, 6);
  const to = await producer();
  const put = (topic: string, partition: number, ms: number) =>
    to.send({ topic, messages: [{ ...message('x', ms), partition }] });
  for (let partition = 0; partition < 5; partition++) {
    await put(of.topic, partition, 0);
    await put(of.topic, partition, 100 * partition);
    await put(of.copyTopic, partition, 0);
  }
  await put(of.copyTopic, 3, 300);
  const abort = new AbortController();
  const told = new Map<number, number>();
  const mirror = {
    upstream: { site: 'dc2', topic: of.topic, connections: of.upstreamSite },
    copy: { site: 'dc1', topic: of.copyTopic, connections: of.copySite },
  };
  const names: string[] = [];
  await watchMirrors(
    { mirrors: [mirror], intervalMs: 60_000 },
    (name, fields) => {
      names.push(name);
      if (!('latencyMs' in fields)) return;
      expect(fields).toMatchObject({ source: `dc1/${of.copyTopic}`, upstream: `dc2/${of.topic}` });
      told.set(fields.partition, fields.latencyMs);
      if (told.size === 5) abort.abort();
    },
    abort.signal,
  );
  expect(new Set(names)).toEqual(new Set(['mirror.lag']));
  expect([...told].toSorted((a, b) => a[0] - b[0])).toEqual([
    [0, 0],
    [1, 100],
    [2, 200],
    [3, 0],
    [4, 400],
  ]);
});
