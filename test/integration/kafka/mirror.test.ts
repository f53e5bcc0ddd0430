// The proof that a mirrored copy is whole, on a real broker.

import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CopyProver } from '../../../src/kafka/mirror/prove-copy.ts';
import { CompressionTypes, T, createTopic, message, never, produce, producer } from './cluster.ts';
import { deleteBefore, events, older, openScene, untilEnds, write } from './mirror-scene.ts';

describe('a copy', () => {
  it('with other offsets and repeated runs is whole when the last record was seen, and not before', async () => {
    const { topic, copyTopic, prover, fetched } = await openScene();
    await produce(topic, events(0, 10), CompressionTypes.GZIP);
    await write(copyTopic, [...older, ...events(0, 5), ...events(2, 9)]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 1 });
    await write(copyTopic, events(6, 9));
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 1 });
    await write(copyTopic, events(7, 10));
    await write(topic, events(10, 12)); // after the watermark was taken
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 20 });
    // Forwards only, and nothing before the record's time.
    expect(fetched).toEqual([...new Set(fetched)].toSorted((a, b) => a - b));
    expect(Math.min(...fetched)).toBeGreaterThanOrEqual(14);
    expect(await prover().poll(never)).toMatchObject({ state: 'behind', lagMs: 2 });
  });

  it('that lacks a record between two twins is not whole, though its last record looks as it should', async () => {
    const { topic, copyTopic, prover } = await openScene();
    const twin = message('twin', 5);
    const between = message('between', 5);
    // The producer tried again: the last new record is `between`.
    await write(topic, [message('a'), twin, between, message('a'), twin]);
    await write(copyTopic, [...older, message('a'), twin]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 0 });
    await write(copyTopic, [between]);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 5 });
  });

  it('is compared by key, value and headers too', async () => {
    const { topic, copyTopic, prover } = await openScene();
    const headers = { 'event-id': 'e1', more: ['a', 'b'] };
    const last = { ...message('x', 5), headers };
    await write(topic, [message('a'), last]);
    await write(copyTopic, [
      message('a'),
      message('x', 5),
      { ...last, headers: { ...headers, 'event-id': 'e2' } },
      { ...last, key: 'v' },
      { ...last, value: 'y' },
      { ...last, value: null },
      { ...last, timestamp: String(T + 4) },
    ]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind' });
    await produce(copyTopic, [last, message('behind it', 6)], CompressionTypes.Snappy);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 9 });
  });

  it('of an upstream that ends with a tombstone needs the tombstone', async () => {
    const { topic, copyTopic, prover } = await openScene();
    await write(topic, [message('a'), message(null, 1, null)]);
    await write(copyTopic, [message('a'), message('', 1, null)]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 0 });
    await write(copyTopic, [message(null, 1, null)]);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 3 });
  });

  it('of large batches is searched through all of them', async () => {
    const { topic, copyTopic, prover } = await openScene();
    // All of one time: the search for twins must go back to the first, over several pieces.
    const many = Array.from({ length: 6 }, (_, batch) =>
      Array.from({ length: 400 }, (_, i) => message(`${batch}-${i} `.padEnd(1500, 'x'), 7)),
    );
    for (const batch of many) await produce(topic, [...batch], CompressionTypes.Snappy);
    await produce(topic, (many[0] ?? []).slice(0, 50)); // repeats the oldest
    for (const batch of many.slice(0, 5)) await produce(copyTopic, [...batch]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind' });
    await produce(copyTopic, (many[5] ?? []).slice(0, 399));
    expect(await asked.poll(never)).toMatchObject({ state: 'behind' });
    await produce(copyTopic, (many[5] ?? []).slice(399));
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 2400 });
  });

  it('whose topic is missing is away until it is there', async () => {
    const { topic, alias, upstreamSite, copySite } = await openScene();
    await write(topic, [message('a')]);
    const copyTopic = `${alias}.late-${topic}`;
    const asked = new CopyProver(
      {
        upstream: { site: 'dc2', topic, connections: upstreamSite },
        copy: { site: 'dc1', topic: copyTopic, connections: copySite },
        partition: 0,
      },
      T,
    );
    expect(await asked.poll(never)).toMatchObject({ state: 'copy_unreachable' });
    await createTopic(copyTopic);
    await write(copyTopic, [message('a')]);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 1 });
  });
});

describe('transactions of the upstream', () => {
  it('that were aborted need no copy', async () => {
    const { topic, copyTopic, prover } = await openScene();
    const to = await producer(randomUUID());
    await write(topic, [message('a')]);
    for (const end of ['commit', 'abort', 'abort'] as const) {
      const transaction = await to.transaction();
      await transaction.send({ topic, messages: [message(end, 1)] });
      await transaction[end]();
    }
    await untilEnds(topic, 7);
    await write(copyTopic, [message('a')]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 1 });
    await write(copyTopic, [message('commit', 1)]);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 2 });
  });

  it('that are open prove nothing until they end', async () => {
    const { topic, copyTopic, prover } = await openScene();
    await write(topic, [message('a')]);
    const transaction = await (await producer(randomUUID())).transaction();
    await transaction.send({ topic, messages: [message('b', 1)] });
    await write(topic, [message('c', 2)]);
    await write(copyTopic, [message('a')]);
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'open_transaction', lastStable: 1 });
    await transaction.commit();
    await untilEnds(topic, 4);
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 2 });
    await write(copyTopic, [message('b', 1), message('c', 2)]);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 3 });
  });

  it('that are open in the copy are not seen in it', async () => {
    const { topic, copyTopic, prover } = await openScene();
    await write(topic, [message('a')]);
    const transaction = await (await producer(randomUUID())).transaction();
    await transaction.send({ topic: copyTopic, messages: [message('a')] });
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind' });
    await transaction.commit();
    await untilEnds(copyTopic, 2);
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 2 });
  });
});

describe('an upstream', () => {
  it('that was always empty, or has nothing of the range, leaves nothing to wait for', async () => {
    const { topic, copyTopic, prover } = await openScene();
    await write(copyTopic, older);
    expect(await prover().poll(never)).toMatchObject({ state: 'seen', end: 2 });
    await write(topic, older);
    expect(await prover(T).poll(never)).toMatchObject({ state: 'seen', end: 2 });
    await write(topic, events(0, 1));
    expect(await prover(T + 1).poll(never)).toMatchObject({ state: 'seen', end: 2 });
    expect(await prover(T).poll(never)).toMatchObject({ state: 'behind', lagMs: 400 });
  });

  it.each([
    ['by time, long before the range', String(10 * 365 * 86_400_000), 'seen'],
    ['by time, the range too', '3600000', 'unknown'],
    ['by nobody knows what', '-1', 'unknown'],
  ])('that was emptied %s', async (_, retentionMs, state) => {
    const { topic, prover } = await openScene({ 'retention.ms': retentionMs });
    await write(topic, events(0, 3));
    await deleteBefore(topic, 3);
    expect((await prover().poll(never)).state).toBe(state);
  });

  it('that lost its beginning is still proven by its end', async () => {
    const { topic, copyTopic, prover } = await openScene();
    await write(topic, events(0, 5));
    await deleteBefore(topic, 3);
    await write(copyTopic, events(0, 4));
    const asked = prover();
    expect(await asked.poll(never)).toMatchObject({ state: 'behind', lagMs: 1 });
    await write(copyTopic, events(4, 5));
    expect(await asked.poll(never)).toMatchObject({ state: 'seen', end: 5 });
  });
});
