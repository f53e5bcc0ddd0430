// What a proof sees of a fetch response, and when two records are the same.

import { describe, expect, it, test } from 'vitest';
import { fingerprintOf, walkCommitted } from '../../../../src/kafka/mirror/committed-records.ts';
import type { FetchResponse } from '../../../../src/kafka/fetch-protocol.ts';
import { holding, response } from '../fake-broker.ts';
import { encodeBatch, encodeBatches } from '../record-batches.ts';
import type { TestCodec, TestRecord } from '../record-batches.ts';

const record = (value: string | null, timestampMs = 5): TestRecord => ({ key: 'w', value, timestampMs });

function walk(of: FetchResponse, from = 0) {
  const seen: string[] = [];
  const walked = walkCommitted(of, from, (each) => {
    seen.push(`${each.offset}@${each.timestampMs} ${fingerprintOf(each)}`);
  });
  return { seen, places: seen.map((line) => line.split(' ')[0]), ...walked };
}

const printOf = (one: TestRecord, codec: TestCodec = 'none', before: readonly TestRecord[] = []) =>
  walk(holding(1000, { baseOffset: 7, records: [...before, one], codec }))
    .seen.at(-1)
    ?.split(' ')[1];

describe('two records are the same', () => {
  const one: TestRecord = { key: 'w', value: 'x', timestampMs: 5, headers: [['event-id', 'e']] };

  it.each(['none', 'gzip', 'snappy', 'xerial', 'lz4', 'zstd'] as const)(
    'wherever they stand in a batch of codec %s',
    (codec) => {
      const before = Array.from({ length: 200 }, (_, i) => record(`before ${i}`, 1000 - i));
      expect(printOf(one, codec, before)).toBe(printOf(one));
    },
  );

  it.each<[string, Partial<TestRecord>]>([
    ['key', { key: 'v' }],
    ['key that is null', { key: null }],
    ['value', { value: 'y' }],
    ['value that is null', { value: null }],
    ['value that is empty', { value: '' }],
    ['header name', { headers: [['event-ie', 'e']] }],
    ['header value', { headers: [['event-id', 'f']] }],
    ['header that is null', { headers: [['event-id', null]] }],
    ['header that is empty', { headers: [['event-id', '']] }],
    ['header more', { headers: [...(one.headers ?? []), ['more', '']] }],
    ['header less', { headers: [] }],
    ['border between key and value', { key: 'wx', value: '' }],
  ])('not with another %s', (_, other) => {
    expect(printOf({ ...one, ...other })).not.toBe(printOf(one));
  });

  it('not when null and empty are told apart', () => {
    expect(printOf({ ...one, value: null })).not.toBe(printOf({ ...one, value: '' }));
    expect(printOf({ ...one, key: null })).not.toBe(printOf({ ...one, key: '' }));
  });
});

describe('a response', () => {
  it('gives committed data only, and where to go on', () => {
    const records = encodeBatches(
      { baseOffset: 3, records: [record('a'), record('b', 4)] },
      { baseOffset: 5, records: [record('void')], transactional: true, producerId: 7 },
      { baseOffset: 6, records: [record('c')], transactional: true, producerId: 8 },
      { baseOffset: 7, records: [], control: 'abort', producerId: 7 },
      { baseOffset: 8, records: [], count: 0, lastOffsetDelta: 4 },
      { baseOffset: 13, records: [record('d')], transactional: true, producerId: 7 },
    );
    const aborted = [{ producerId: 7, firstOffset: 5 }];
    const told = walk(response({ highWatermark: 20, aborted, records }), 4);
    expect(told).toMatchObject({
      places: ['3@5', '4@4', '6@5', '13@5'],
      first: 3,
      next: 14,
      fault: null,
    });
  });

  it('that holds nothing says so', () => {
    expect(walk(response({ highWatermark: 20 }), 4)).toMatchObject({ seen: [], first: null, next: 4 });
  });

  test('a cut last batch is left for the next', () => {
    const whole = encodeBatches(
      { baseOffset: 3, records: [record('a')] },
      { baseOffset: 4, records: [record('b')] },
    );
    const records = whole.subarray(0, whole.length - 1);
    expect(walk(response({ highWatermark: 9, records }), 3)).toMatchObject({ places: ['3@5'], next: 4 });
  });

  it.each(['its bytes', 'its codec', 'its count'])(
    'passes over a batch with %s wrong, and names it',
    (what) => {
      const bad = { baseOffset: 3, records: [record('a'), record('b')] };
      const batch = encodeBatch({
        ...bad,
        ...(what === 'its codec' && { codecNumber: 6 }),
        ...(what === 'its count' && { count: 3 }),
      });
      if (what === 'its bytes') batch.writeUInt8(batch.readUInt8(70) ^ 1, 70);
      const records = Buffer.concat([batch, encodeBatch({ baseOffset: 5, records: [record('c')] })]);
      const told = walk(response({ highWatermark: 9, records }), 3);
      expect(told).toMatchObject({ places: ['5@5'], next: 6 });
      expect(told.fault).toContain('offset 3');
    },
  );

  it.each([
    ['before what was asked', { baseOffset: 1, records: [record('a')] }],
    ['behind the log’s end', { baseOffset: 9, records: [record('a')] }],
    ['of an old format', { baseOffset: 3, records: [record('a')], magic: 1 }],
  ])('moves on by one at a batch %s', (_, batch) => {
    const told = walk(holding(9, batch), 3);
    expect(told).toMatchObject({ seen: [], next: 4 });
    expect(told.fault).not.toBeNull();
  });
});
