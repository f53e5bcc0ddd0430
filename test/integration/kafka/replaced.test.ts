// What a reading does when its topic is another one than before: created again, shorter, with more partitions,
// not to be read any more.

import { describe, expect, it, vi } from 'vitest';
import type { ReadWait } from '../../../src/domain/log.ts';
import { TopicAdmin } from '../../support/topic-admin.ts';
import {
  admin,
  atEnd,
  becomes,
  brokers,
  createTopic,
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
} from './cluster.ts';

async function remove(topic: string): Promise<void> {
  await (await admin()).deleteTopics({ topics: [topic] });
}

async function recreate(topic: string): Promise<void> {
  await remove(topic);
  // The broker refuses the name until the old topic is gone.
  await becomes(() => createTopic(topic));
}

describe('a topic that was created again', () => {
  it('has other marks, also while it is shorter', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('older', -5)]);
    await produce(topic, [message('a'), message('b')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log);
    expect(pin.first?.offset).toBe(1);
    await recreate(topic);
    expect((await log.marks([pin], never))[pin.source]?.crc).not.toBe(pin.first?.crc);
    await produce(topic, [message('other'), message('other')]);
    expect((await log.marks([pin], never))[pin.source]?.crc).not.toBe(pin.first?.crc);
  });

  it('with the same first batch and is shorter than the reading is a truncated log', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a')]);
    await produce(topic, [message('b'), message('c')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log);
    await recreate(topic);
    await produce(topic, [message('a')]);
    expect(await readAll(await openStream(log, { pin, start: 2 }))).toMatchObject({
      values: [],
      gaps: ['truncated 2-3'],
      next: 3,
    });
  });

  it('with another first batch under a reading is refused by it, and nothing of it is read', async () => {
    const topic = await freshTopic();
    const to = await producer();
    // More than a stream holds ahead of who reads it.
    const letters = 'abcdefghi'.split('');
    const send = (letter: string) => to.send({ topic, messages: [message(letter.repeat(900_000))] });
    for (const letter of letters) await send(letter);
    const { log } = openLog(topic, { fetchMaxBytes: 1 }); // one batch per fetch
    const gone = Promise.withResolvers<string>();
    const onWait = (wait: ReadWait | null): void => {
      if (wait?.why === 'broker') gone.resolve(wait.detail);
    };
    const stream = await openStream(log, { onWait });
    const values: (string | undefined)[] = [];
    const read = async (): Promise<never> => {
      for (;;) values.push(...(await stream.next()).events.map(({ value }) => value?.toString('utf8', 0, 1)));
    };
    await stream.next();
    await remove(topic);
    const reading = read();
    reading.catch(() => undefined);
    expect(await gone.promise).toContain('unknown');
    await becomes(() => createTopic(topic));
    await produce(
      topic,
      Array.from({ length: 9 }, (_, i) => message(`other ${i}`)),
    );
    await expect(reading).rejects.toMatchObject({ code: 'log_replaced' });
    // What was fetched before it went, and nothing else.
    expect(values).toEqual(letters.slice(1, 1 + values.length));
    expect(values.length).toBeLessThan(letters.length - 1);
  });
});

describe('a log that ends before what an earlier reading has passed', () => {
  it('is truncated from its end on, also while the range has no end yet', async () => {
    const topic = await freshTopic();
    for (let i = 0; i < 4; i++) await produce(topic, [message(`${i}`, i)]);
    const { log } = openLog(topic);
    const pin = await pinOf(log);
    await recreate(topic);
    await produce(topic, [message('0')]);
    let end: number | null = null;
    const [pinned, following] = await Promise.all([
      openStream(log, { pin, mustReach: () => 3 }),
      openStream(log, { pin, mustReach: () => 3, end: () => end }),
    ]);
    const first = await following.next();
    expect(first).toMatchObject({ events: [{ offset: 0 }], gaps: [], done: false });
    const [told, gap] = await Promise.all([readAll(pinned), following.next()]);
    expect(told).toMatchObject({ values: ['0'], gaps: ['truncated 1-4'], next: 4 });
    expect(gap).toMatchObject({ next: 3, gaps: [{ from: 1, to: 3, reason: 'truncated' }], done: false });
    end = 3;
    expect(await readAll(following)).toMatchObject({ values: [], gaps: [], next: 3 });
  });
});

describe('a topic that got more partitions', () => {
  it('is refused from then on, by lookups at once, and no end is pinned', async () => {
    const topic = await freshTopic(2);
    await produce(topic, [message('a')]);
    const { log, noted } = openLog(topic);
    expect(await log.check()).toMatchObject([{ problem: null, partitions: 2 }]);
    const pin = await pinOf(log, range, false);
    const topicPartitions = [{ topic, count: 3 }];
    await (await admin()).createPartitions({ topicPartitions });
    // The last check found nothing wrong, and says so still.
    expect(log.status()).toMatchObject([{ problem: null }]);
    await becomes(() =>
      expect(log.lookup('a', range, true, never)).rejects.toMatchObject({ code: 'partition_mismatch' }),
    );
    const stop = new AbortController();
    const ends = log.watermarks([pin], stop.signal);
    ends.catch(() => undefined);
    await vi.waitFor(() => {
      const retry = expect.objectContaining({ error: `topic ${topic} has 3 partitions` }) as unknown;
      expect(noted.map(({ fields }) => fields)).toContainEqual(retry);
    });
    stop.abort();
    await expect(ends).rejects.toMatchObject({ name: 'AbortError' });
    const problem = `topic ${topic} has 3 partitions, not 2`;
    expect(await log.check()).toMatchObject([{ code: 'partition_mismatch' }]);
    expect(log.status()[0]?.problem).toContain(problem);
  });
});

describe('a topic that may not be read any more', () => {
  it('is a problem of its site, and lookups say so instead of asking on', async () => {
    const topic = await freshTopic();
    await produce(topic, [message('a')]);
    const { log } = openLog(topic);
    const pin = await pinOf(log);
    const rights = await TopicAdmin.open(brokers.join());
    atEnd(() => rights.close());
    await rights.denyReading(topic);
    const denied = { code: 'log_unusable', detail: expect.stringContaining('not allowed') as unknown };
    await becomes(() => expect(log.lookup('a', range, true, never)).rejects.toMatchObject(denied));
    await expect(log.marks([pin], never)).rejects.toMatchObject(denied);
    expect(await log.check()).toMatchObject([{ reachable: true, code: 'log_unusable' }]);
    expect(log.status()[0]?.problem).toContain('not allowed');
    await rights.allowReading(topic);
    await becomes(async () => expect(await log.check()).toMatchObject([{ problem: null }]));
    expect(await log.marks([pin], never)).toEqual({ [pin.source]: pin.first });
  });
});
