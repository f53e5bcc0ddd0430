// What a replay reads from a real broker when nothing goes wrong: exactly the range, in every encoding.

import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import { generateWithJava, produceWithJava } from '../../../scripts/stack/java-producer.ts';
import {
  CompressionTypes,
  T,
  brokers,
  freshTopic,
  message,
  never,
  openLog,
  openStream,
  pinOf,
  produce,
  producer,
  range,
  readAll,
  replay,
} from './cluster.ts';
import { startProxy } from './proxy.ts';
import { AUTHORITY, BROKER } from '../../support/certificates.ts';

describe('a range', () => {
  it('is [from, to): both edges, foreign keys, times out of order, null and empty values', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('before', -1), message('foreign', 0, 'v'), message('no key', 0, null)]);
    await produce(topic, [message('last', 59_999), message('first', 0), message('at to', 60_000)]);
    await produce(topic, [
      message('before, late', -1),
      message(null, 1),
      message('', 2),
      message('after', 90_000),
    ]);
    const told = await replay(topic);
    expect(told.values).toEqual(['last', 'first', null, '']);
    expect(told.next).toBe(10);
    expect(told.gaps).toEqual([]);
  });

  it('is not cut by one record of a fast clock', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a', 10)]);
    await produce(topic, [message('from the future', 50 * 60_000)]);
    await produce(topic, [message('b', 20), message('c', 30)]);
    expect((await replay(topic)).values).toEqual(['a', 'b', 'c']);
  });

  it('gives events their identity: the last header, else the hash of the value', async () => {
    const topic = await freshTopic();
    const headers = { 'event-id': ['x', 'evt_1'] };
    await produce(topic, [{ ...message('a'), headers }, message('b'), message('b', 5), message(null)]);
    const { batches } = await replay(topic);
    const events = batches.flatMap((batch) => batch.events);
    expect(events.map((event) => event.eventId.slice(0, 2))).toEqual(['ev', 'v_', 'v_', '']);
    expect(events[1]?.identity).toBe(events[2]?.identity);
    expect(events[0]?.identity).toHaveLength(22);
    expect(events[3]?.identity).toBe('');
  });

  it('that nothing is in pins an empty piece', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('old', -5000)]);
    const { log } = openLog(topic);
    const found = await log.lookup('a', range, true, never);
    expect(found.pins[0]).toMatchObject({ start: 1, end: 1, first: null });
    expect(found.maxRecords).toBe(0);
    expect((await readAll(await openStream(log))).values).toEqual([]);
  });

  it('goes on in the middle of a batch after a restart', async () => {
    const topic = await freshTopic();
    await produce(
      topic,
      ['a', 'b', 'c', 'd'].map((value) => message(value)),
    );
    expect((await replay(topic, { start: 2 })).values).toEqual(['c', 'd']);
  });

  it('takes a value of 900 KB, and batches larger than a fetch', async () => {
    const topic = await freshTopic(1, { 'max.message.bytes': '4000000' });
    const big = 'x'.repeat(900_000);
    await produce(topic, [message(big), message('small')]);
    await produce(
      topic,
      Array.from({ length: 3 }, () => message(big)),
    );
    const told = await replay(topic, {}, { fetchMaxBytes: 16 * 1024 });
    expect(told.values.map((value) => value?.length)).toEqual([900_000, 5, 900_000, 900_000, 900_000]);
  });
});

describe('encodings', () => {
  it.each(['None', 'GZIP', 'Snappy'] as const)('reads %s by KafkaJS', async (codec) => {
    const topic = await freshTopic();
    const values = Array.from({ length: 500 }, (_, i) => `event ${i}`);
    await produce(
      topic,
      values.map((value, i) => message(value, i)),
      CompressionTypes[codec],
    );
    expect((await replay(topic)).values).toEqual(values);
  });

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'reads %s by the Java producer',
    async (compression) => {
      const topic = await freshTopic();
      const values = Array.from({ length: 200 }, (_, i) => `event ${i} `.repeat(i));
      await produceWithJava(
        {
          brokers: brokers.join(),
          topic,
          compression,
          config: { 'linger.ms': '50', 'batch.size': '262144' },
        },
        values.map((value, i) => ({
          key: i % 2 ? 'v' : 'w',
          timestampMs: T + i,
          value,
          headers: { 'event-id': `e${i}` },
        })),
      );
      const told = await replay(topic);
      expect(told.values).toEqual(values.filter((_, i) => i % 2 === 0));
      expect(told.batches.flatMap((batch) => batch.events).at(-1)?.eventId).toBe('e198');
    },
  );
});

it('TLS brings the same as a bare socket', async () => {
  const topic = await freshTopic();
  const values = Array.from({ length: 6 }, (_, n) => `${n}`.repeat(300_000));
  for (const [n, value] of values.entries()) await produce(topic, [message(value, n)]);
  const proxy = await startProxy(BROKER);
  const tls = { ca: AUTHORITY, cert: null, key: null };
  const sites = [{ name: 'a', brokers: proxy.brokers, topics: [topic], tls }];
  const told = await replay(topic, {}, { sites });
  expect(told.values).toEqual(values);
  expect(told.gaps).toEqual([]);
  expect(proxy.connections).toBeGreaterThan(1);
});

describe('partition of a key', () => {
  it('is what the Java producer chose', async () => {
    const topic = await freshTopic(13);
    const keys = Array.from({ length: 300 }, (_, i) =>
      i % 3 ? randomUUID().slice(0, i % 37) || 'k' : `ключ-${i}`,
    );
    const placed = await produceWithJava(
      { brokers: brokers.join(), topic },
      keys.map((key) => ({ key, timestampMs: T, value: 'x' })),
    );
    expect(keys.map((key) => partitionOf(key, 13))).toEqual(placed.map(({ partition }) => partition));
  });
});

describe('a bounded scan', () => {
  it('stops when everything of a long window is past, a full one does not', async () => {
    const topic = await freshTopic();
    const hours = 3_600_000;
    await generateWithJava(
      { brokers: brokers.join(), topic, compression: 'snappy', config: { 'batch.size': '16384' } },
      {
        records: 60_000,
        keys: 5,
        wantedKey: 'w',
        wantedShare: 0.5,
        valueBytes: 100,
        fromMs: T,
        toMs: T + hours,
        seed: 3,
      },
    );
    const config = { disorderSlackMs: 60_000 };
    const bounded = await replay(topic, {}, config);
    const full = await replay(topic, { scan: 'full' }, config);
    expect(bounded.values.length).toBeGreaterThan(100);
    expect(bounded.values).toEqual(full.values);
    expect(full.next).toBe(60_000);
    expect(bounded.next).toBeLessThan(40_000);
    expect(bounded.batches.at(-1)).toMatchObject({ done: true, frontierMs: Infinity });
  });
});

describe('following', () => {
  it('yields what comes, waits at the end of the log, and ends at the end that is pinned later', async () => {
    const topic = await freshTopic();
    const to = await producer();
    const { log } = openLog(topic);
    const pin = await pinOf(log, range, false);
    expect(pin).toMatchObject({ start: 0, end: null });
    let end: number | null = null;
    const waits: (string | null)[] = [];
    const onWait = (wait: { why: string } | null): void => void waits.push(wait?.why ?? null);
    const stream = await openStream(log, { pin, end: () => end, onWait });
    const caughtUp = await stream.next();
    expect(caughtUp).toMatchObject({ events: [], frontierMs: Infinity, done: false });
    await to.send({ topic, messages: [message('a'), message('b')] });
    let batch = caughtUp;
    while (batch.events.length === 0) batch = await stream.next();
    expect(batch.events.map((event) => String(event.value))).toEqual(['a', 'b']);
    await to.send({ topic, messages: [message('c'), message('behind the end')] });
    end = 3;
    const rest = await readAll(stream);
    expect(rest.values.filter((value) => value !== 'behind the end')).toEqual(['c']);
    expect(waits.slice(0, 2)).toEqual(['log_end', null]);
  });

  it('learns the ends and the marks of pins', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a'), message('b')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log, range, false);
    expect(await log.watermarks([pin], never)).toEqual({ [pin.source]: 2 });
    expect(await log.marks([pin], never)).toEqual({ [pin.source]: pin.first });
  });
});
