// Hostile and damaged bytes: the scanner may say less, but never something else, never more, and it must end.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AbortedTransactions } from '../../../src/kafka/aborted.ts';
import { KeySet } from '../../../src/kafka/key-set.ts';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';
import { scanKept } from './kept-hits.ts';
import { encodeBatch, sign } from './record-batches.ts';
import type { TestBatch, TestCodec } from './record-batches.ts';

const T = 1_795_000_000_000;
const W = new KeySet([Buffer.from('w')]);
const codecs = ['none', 'gzip', 'snappy', 'xerial', 'lz4', 'zstd'] satisfies TestCodec[];

const records = fc.array(
  fc.record({
    key: fc.constantFrom('w', 'v', 'ww', '', null),
    value: fc.option(fc.string({ maxLength: 40 })),
    timestampMs: fc.integer({ min: T - 50, max: T + 150 }),
    headers: fc.array(fc.tuple(fc.constantFrom('event-id', 'x'), fc.option(fc.string({ maxLength: 5 }))), {
      maxLength: 3,
    }),
  }),
  { minLength: 1, maxLength: 8 },
);
const log = fc.array(fc.record({ records, codec: fc.constantFrom(...codecs) }), {
  minLength: 1,
  maxLength: 4,
});

function lay(batches: readonly Pick<TestBatch, 'records' | 'codec'>[]): TestBatch[] {
  let baseOffset = 0;
  return batches.map((batch) => {
    const laid = { ...batch, baseOffset };
    baseOffset += batch.records.length;
    return laid;
  });
}

function scan(bytes: Buffer, start: number, end: number) {
  const wanted = { keys: W, fromMs: T, toMs: T + 100, start, end, logEnd: 1_000_000_000 };
  const found = scanKept(bytes, wanted, new AbortedTransactions([]), new TimeWatch(T + 100, 0));
  return {
    ...found,
    told: found.hits.map(
      (hit) => `${hit.offset} ${hit.timestampMs} ${String(hit.value)} ${String(hit.header)}`,
    ),
  };
}

function expected(batches: readonly TestBatch[], start: number, end: number): string[] {
  return batches.flatMap(({ baseOffset, records }) =>
    records.flatMap(({ key, value, timestampMs, headers = [] }, index) => {
      const offset = baseOffset + index;
      const wanted =
        key === 'w' && timestampMs >= T && timestampMs < T + 100 && offset >= start && offset < end;
      const id = headers.findLast(([name]) => name === 'event-id')?.[1] ?? null;
      return wanted ? [`${offset} ${timestampMs} ${String(value)} ${String(id)}`] : [];
    }),
  );
}

describe('scanRecords on any log', () => {
  it('finds exactly the wanted records, and counts all in range', () => {
    fc.assert(
      fc.property(log, fc.nat(10), fc.nat(40), (drawn, start, length) => {
        const batches = lay(drawn);
        const end = start + length;
        // As a broker does: from the batch on that holds the offset.
        const sent = batches.filter(({ baseOffset, records }) => baseOffset + records.length > start);
        const found = scan(Buffer.concat(sent.map(encodeBatch)), start, end);
        expect(found.told).toEqual(expected(batches, start, end));
        const total = batches.reduce((sum, batch) => sum + batch.records.length, 0);
        expect(found.scanned).toBe(Math.max(0, Math.min(end, total) - start));
      }),
      { numRuns: 500 },
    );
  });

  it('says a prefix of the truth when the bytes are cut anywhere', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), (drawn, share) => {
        const batches = lay(drawn);
        const bytes = Buffer.concat(batches.map(encodeBatch));
        const found = scan(bytes.subarray(0, Math.floor(bytes.length * share)), 0, Infinity);
        const truth = expected(batches, 0, Infinity);
        expect(found.told).toEqual(truth.slice(0, found.told.length));
        expect(found.fault).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('never tells a wrong record when a bit flips', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7), (drawn, share, bit) => {
        const batches = lay(drawn);
        const bytes = Buffer.concat(batches.map(encodeBatch));
        const at = Math.min(bytes.length - 1, Math.floor(bytes.length * share));
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        const found = scan(bytes, 0, Infinity);
        const truth = expected(batches, 0, Infinity);
        // The base offset is outside the checksum: a flip there moves offsets, and only there.
        const where = batches.map(({ baseOffset }) => baseOffset).join();
        const body = (line: string) => line.slice(line.indexOf(' '));
        for (const line of found.told) expect(truth.map(body), where).toContain(body(line));
      }),
      { numRuns: 1000 },
    );
  });

  it('ends on anything, also with right checksums', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(...codecs),
        fc.integer(),
        (payload, codec, count) => {
          const head = encodeBatch({
            baseOffset: 0,
            records: [],
            codec,
            count,
            lastOffsetDelta: 5,
            maxTimestampMs: T,
          });
          const bytes = Buffer.concat([head.subarray(0, 61), payload]);
          bytes.writeInt32BE(49 + payload.length, 8);
          expect(scan(sign(bytes), 0, Infinity).next).toBeLessThanOrEqual(6);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('ends on bytes that are no log at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        scan(Buffer.from(bytes), 0, Infinity);
      }),
      { numRuns: 2000 },
    );
  });
});
