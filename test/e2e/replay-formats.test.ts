// What Kafka's own Java producer writes is what real senders write: its codecs, and its choice of the partition.

import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { produceWithJava } from '../../scripts/stack/java-producer.ts';
import type { Compression, JavaRecord } from '../../scripts/stack/java-producer.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { Stage } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const PARTITIONS = 12;
const CODECS: readonly Compression[] = ['gzip', 'snappy', 'lz4', 'zstd'];

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ partitions: PARTITIONS });
});
afterAll(() => stage.close());

const target = (compression: Compression) => ({
  brokers: process.env['REPRISE_TEST_BROKERS'] ?? '',
  topic: stage.scene.topic,
  compression,
});
const sha256 = (data: Buffer | string): string => hash('sha256', data, 'hex');

describe.concurrent('batches of the Java producer', () => {
  test.each(CODECS)('compressed with %s are read', async (codec) => {
    const listener = await stage.listen({}, { hashBodies: true, storeBodies: false });
    // 3 MB half text, half noise: several batches, several blocks of a codec, several fetches.
    const values = Array.from({ length: 300 }, (_, index) =>
      Buffer.concat([
        Buffer.from(`{"event":${index},"text":"${'word '.repeat(1_000)}"}`),
        randomBytes(5_000),
      ]),
    );
    const records = values.map((value, index): JavaRecord => ({
      key: listener.key,
      value,
      timestampMs: FROM + index * 1_000,
      ...(index % 2 === 0 && { headers: { trace: 'x', 'event-id': `${codec}-${index}` } }),
    }));
    const placed = await produceWithJava(target(codec), records);
    expect(new Set(placed.map(({ partition }) => partition))).toEqual(new Set([listener.partition]));
    const { counts, outcome, gaps } = await listener.replayed(RANGE);
    expect(gaps).toEqual([]);
    expect(counts).toMatchObject({ matched: 300, delivered: 300 });
    expect(outcome).toBe('complete');
    const arrived = new Set(listener.accepted.map((received) => received.sha256));
    expect(arrived).toEqual(new Set(values.map(sha256)));
  });
});

test('uncompressed records lie on the partition that the Java producer chooses', async () => {
  const keys = ['a', 'ab', 'abc', 'abcd', 'ключ', '鍵', '912312944959469495', 'k'.repeat(255), '🙂', ' '];
  for (let length = 1; length <= 40; length++) keys.push(randomBytes(length).toString('hex'));
  const records = keys.map((key, index) => ({ key, value: `for ${key}`, timestampMs: FROM + index }));
  const placed = await produceWithJava(target('none'), records);
  expect(keys.map((key) => partitionOf(key, PARTITIONS))).toEqual(placed.map(({ partition }) => partition));
  // And a replay looks there: one webhook of each of some keys.
  for (const key of ['a', 'ключ', 'k'.repeat(255), '🙂']) {
    const listener = await stage.listen({ key });
    await listener.replayed(RANGE);
    expect(listener.bodies).toEqual([`for ${key}`]);
  }
});
