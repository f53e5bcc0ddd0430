// What a replay does when the broker, the network or the log itself is in trouble: nothing is lost silently.

import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import type { ReadWait } from '../../../src/domain/log.ts';
import {
  T,
  admin,
  atEnd,
  becomes,
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

async function deleteBefore(topic: string, offset: number): Promise<void> {
  const partitions = [{ partition: 0, offset: String(offset) }];
  const to = await admin();
  await to.fetchTopicOffsets(topic); // KafkaJS looks for the leader before it knows the topic
  await to.deleteTopicRecords({ topic, partitions });
}

describe('retention', () => {
  it('that took records of the range is named at the lookup', async () => {
    const topic = await freshTopic();
    for (let i = 0; i < 4; i++) await produce(topic, [message(`${i}`, i)]);
    await deleteBefore(topic, 2);
    const { log } = openLog(topic);
    const found = await log.lookup('a', range, true, never);
    expect(found.pins[0]).toMatchObject({ start: 2, end: 4 });
    expect(found.gaps).toMatchObject([{ from: 0, to: 2, reason: 'retention' }]);
    expect(await readAll(await openStream(log))).toMatchObject({ values: ['2', '3'], gaps: [] });
  });

  it('that took only older records is no gap', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('older', -20)]);
    await produce(topic, [message('old', -10)]);
    await produce(topic, [message('a')]);
    await deleteBefore(topic, 1);
    const { gaps, pins } = await openLog(topic).log.lookup('a', range, true, never);
    expect(gaps).toEqual([]);
    expect(pins[0]).toMatchObject({ start: 2 });
  });

  it('that overtakes a reading is a gap up to the earliest record', async () => {
    const topic = await freshTopic();
    for (let i = 0; i < 4; i++) await produce(topic, [message(`${i}`, i)]);
    const { log, noted } = openLog(topic);
    const pin = await pinOf(log);
    await deleteBefore(topic, 3);
    const told = await readAll(await openStream(log, { pin }));
    expect(told).toMatchObject({ values: ['3'], gaps: ['retention 0-3'], next: 4 });
    expect(noted.map(({ name }) => name)).toContain('read.gap');
    expect(await log.marks([pin], never)).toEqual({ [pin.source]: null });
  });

  it('that took everything is named at the lookup, unless only older records can be gone', async () => {
    const tenYears = String(10 * 365 * 86_400_000);
    for (const [retentionMs, reasons] of [
      ['-1', ['retention']],
      ['3600000', ['retention']],
      [tenYears, []],
    ] as const) {
      const topic = await freshTopic(1, { 'retention.ms': retentionMs });
      await produce(topic, [message('a'), message('b')]);
      await deleteBefore(topic, 2);
      const { gaps } = await openLog(topic).log.lookup('a', range, true, never);
      expect(gaps.map(({ reason }) => reason)).toEqual(reasons);
    }
  });

  it('that took everything ends in a gap, never silently', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a'), message('b')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log);
    await deleteBefore(topic, 2);
    expect(await readAll(await openStream(log, { pin }))).toMatchObject({
      values: [],
      gaps: ['retention 0-2'],
      next: 2,
    });
  });
});

describe('transactions', () => {
  it('that were aborted are not read, committed ones are', async () => {
    const topic = await freshTopic();
    const to = await producer(randomUUID());
    for (const [value, end] of [
      ['void', 'abort'],
      ['a', 'commit'],
      ['void too', 'abort'],
      ['b', 'commit'],
    ] as const) {
      const transaction = await to.transaction();
      await transaction.send({ topic, messages: [message(value)] });
      await transaction[end]();
    }
    await produce(topic, [message('plain')]);
    // A commit is answered before its marker is written: five records and four markers.
    await becomes(async () => {
      const [end] = await (await admin()).fetchTopicOffsets(topic);
      if (end?.high !== '9') throw new Error(`the log ends at ${end?.high}`);
    });
    const told = await replay(topic);
    expect(told).toMatchObject({ values: ['a', 'b', 'plain'], next: 9, scanned: 5, gaps: [] });
  });

  it('that stay open hold the reading back, which then names what it did not see', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('before')]);
    const transaction = await (await producer(randomUUID())).transaction();
    atEnd(() => transaction.abort());
    await transaction.send({ topic, messages: [message('open')] });
    await produce(topic, [message('behind')]);
    const { log } = openLog(topic, { openTransactionWaitMs: 500 });
    const pin = await pinOf(log);
    expect(pin).toMatchObject({ start: 0, end: 3 });
    const waits: (ReadWait | null)[] = [];
    const told = await readAll(await openStream(log, { pin, onWait: (wait) => waits.push(wait) }));
    expect(told).toMatchObject({ values: ['before'], gaps: ['open_transaction 1-3'], next: 3 });
    expect(waits.map((wait) => wait?.why)).toContain('open_transaction');
  });

  it('that end within the wait are read', async () => {
    const topic = await freshTopic();
    const transaction = await (await producer(randomUUID())).transaction();
    await transaction.send({ topic, messages: [message('a')] });
    await produce(topic, [message('behind')]);
    const { log } = openLog(topic);
    const stream = await openStream(log);
    expect(await stream.next()).toMatchObject({ events: [], next: 0, done: false });
    await transaction.commit();
    expect(await readAll(stream)).toMatchObject({ values: ['a', 'behind'], gaps: [] });
  });
});

describe('a broker', () => {
  async function proxied(values: readonly string[]) {
    const topic = await freshTopic();
    const to = await producer();
    for (const value of values) await to.send({ topic, messages: [message(value)] });
    const proxy = await startProxy();
    const opened = openLog(topic, {
      sites: [{ name: 'a', brokers: proxy.brokers, topics: [topic] }],
      fetchMaxBytes: 1, // one batch per fetch
    });
    return { topic, proxy, ...opened };
  }
  const values = Array.from({ length: 8 }, (_, i) => `event ${i}`);

  it('that goes away in a reading is waited for, and nothing is lost or told twice', async () => {
    const { log, noted, proxy } = await proxied(values);
    const waits: (string | null)[] = [];
    const down = Promise.withResolvers<undefined>();
    const onWait = (wait: ReadWait | null): void => {
      waits.push(wait?.why ?? null);
      if (wait?.why === 'broker') down.resolve(undefined);
    };
    const stream = await openStream(log, { onWait });
    const first = await stream.next();
    proxy.cut();
    const rest = readAll(stream);
    await down.promise;
    proxy.heal();
    const told = await rest;
    expect([...first.events.map((event) => String(event.value)), ...told.values]).toEqual(values);
    expect(told.gaps).toEqual([]);
    // As often as the words change.
    expect(waits.filter((why, index) => why !== waits[index - 1])).toEqual(['broker', null]);
    expect(noted.map(({ name }) => name)).toContain('read.retry');
  });

  it('that is away stops neither the check nor the process; a lookup waits for it', async () => {
    const { log, proxy, noted } = await proxied(values);
    proxy.cut();
    expect(await log.check()).toMatchObject([{ site: 'a', reachable: false }]);
    expect(log.status()[0]?.problem).toBeTruthy();
    const looking = log.lookup('a', range, true, never);
    proxy.heal();
    expect((await looking).pins[0]).toMatchObject({ start: 0, end: 8 });
    expect(await log.check()).toMatchObject([{ reachable: true, problem: null }]);
    expect(noted.map(({ name }) => name)).toEqual(expect.arrayContaining(['log.problem', 'log.fine']));
  });

  it('that is away gives way to an abort', async () => {
    const { log, proxy } = await proxied(values);
    const pin = await pinOf(log);
    proxy.cut();
    const stop = new AbortController();
    const looking = log.lookup('a', range, true, stop.signal);
    const stream = log.stream({ ...range, pin, start: 0, end: () => 8 }, stop.signal);
    const reading = stream.next();
    stop.abort();
    await expect(looking).rejects.toMatchObject({ name: 'AbortError' });
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await stream.close();
    await stream.close();
  });

  it('whose answer is damaged once is asked again', async () => {
    const { log, proxy, noted } = await proxied(values);
    let damaged = 0;
    proxy.tamper = (chunk) => {
      const at = chunk.indexOf('event 3');
      if (at !== -1 && damaged++ === 0) chunk.writeUInt8(0x21, at);
    };
    expect(await readAll(await openStream(log))).toMatchObject({ values, gaps: [] });
    expect(noted.some(({ name }) => name === 'read.retry')).toBe(true);
  });

  it('whose batch stays damaged costs exactly that batch', async () => {
    const { log, proxy } = await proxied(values);
    proxy.tamper = (chunk) => {
      const at = chunk.indexOf('event 3');
      if (at !== -1) chunk.writeUInt8(0x21, at);
    };
    expect(await readAll(await openStream(log))).toMatchObject({
      values: values.filter((value) => value !== 'event 3'),
      gaps: ['crc_mismatch 3-4'],
      next: 8,
    });
  });

  it('is not connected to again for the next reading', async () => {
    const { log, proxy } = await proxied(values);
    await log.check();
    await readAll(await openStream(log));
    const before = proxy.connections;
    for (let i = 0; i < 5; i++) await readAll(await openStream(log));
    expect(proxy.connections).toBe(before);
  });
});

describe('a site', () => {
  it.each([
    ['LogAppendTime', { 'message.timestamp.type': 'LogAppendTime' }, 'log_unusable'],
    ['compaction', { 'cleanup.policy': 'compact,delete' }, 'log_unusable'],
  ] as const)('with %s is refused', async (_, settings, code) => {
    const topic = await freshTopic(1, settings);
    const { log } = openLog(topic);
    expect(await log.check()).toMatchObject([{ reachable: true, code }]);
    await expect(log.lookup('a', range, true, never)).rejects.toMatchObject({ code });
  });

  it('with another number of partitions is refused', async () => {
    const topic = await freshTopic(3);
    const { log } = openLog(topic, { partitions: 4 });
    expect(await log.check()).toMatchObject([{ code: 'partition_mismatch' }]);
    await expect(log.lookup('a', range, true, never)).rejects.toMatchObject({ code: 'partition_mismatch' });
  });

  it('with topics of different partition counts is refused', async () => {
    const topics = [await freshTopic(3), await freshTopic(2)];
    const { log } = openLog('', { sites: [{ name: 'a', brokers, topics }] });
    expect(await log.check()).toMatchObject([{ code: 'partition_mismatch' }]);
  });

  it('without the topic has a problem that may pass', async () => {
    const { log } = openLog(`missing-${randomUUID()}`);
    expect(await log.check()).toMatchObject([{ code: null }]);
    expect(log.status()[0]?.problem).toBeTruthy();
  });

  it('whose topic got the broker’s times meanwhile is refused by the reader', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log, { ...range, toMs: T + 1 });
    const resources = [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: [{ name: 'message.timestamp.type', value: 'LogAppendTime' }],
      },
    ];
    await (await admin()).alterConfigs({ validateOnly: false, resources });
    await produce(topic, [message('b')]);
    const stream = await openStream(log, { pin, end: () => 2 });
    await expect(readAll(stream)).rejects.toMatchObject({ code: 'log_unusable' });
  });
});
