// What a scan found is what the other thread gets, whatever becomes of the scanner's memory in between.

import { describe, expect, it } from 'vitest';
import { identify } from '../../../src/domain/identity.ts';
import { sourceName } from '../../../src/domain/ids.ts';
import { handedOver, Packer, unpack } from '../../../src/kafka/reading/packed-batch.ts';
import type { PackedBatch } from '../../../src/kafka/reading/packed-batch.ts';

const SOURCE = sourceName('dc1', 'log');
const T = 1_795_000_000_000;
const REST = { next: 9, scanned: 5, bytes: 7, frontierMs: T, gaps: [], disorderMs: 0, done: false };
const HEADERS = [null, 'evt_1', 'x'.repeat(100), 'not for a header\n', ''];
const VALUES = [
  Buffer.alloc(0),
  null,
  Buffer.from('{"a":1}'),
  Buffer.alloc(100_000, 'b'),
  Buffer.alloc(900, 'c'),
];

/** All pairs of a header and a value, the empty and the missing value first. */
const HITS = VALUES.flatMap((value) =>
  HEADERS.map((header) => ({ value, header: header && Buffer.from(header) })),
);

function packed(packer: Packer, from: number, to: number): PackedBatch {
  for (const [at, { value, header }] of HITS.slice(from, to).entries()) {
    const hit = {
      value: value && Buffer.from(value),
      header: header === '' ? Buffer.alloc(0) : header && Buffer.from(header),
    };
    const place = { key: 0, offset: 3 * at, timestampMs: T + at, scannedBefore: 0 };
    packer.add({ ...place, ...hit }, at + 1);
    hit.value?.fill('?');
    hit.header?.fill('?');
  }
  return { ...packer.take(), ...REST };
}

function expected(from: number, to: number) {
  return HITS.slice(from, to).map(({ value, header }, at) => ({
    ...{ source: SOURCE, partition: 4, offset: 3 * at, timestampMs: T + at, value, scannedBefore: at + 1 },
    ...(value
      ? identify(header === '' ? null : header, value, T + at, 'value+time')
      : { eventId: '', identity: '', digest: '' }),
  }));
}

describe('a packed batch', () => {
  it.each([
    ['all', 0, HITS.length],
    ['empty values only', 0, 5],
    ['tombstones only', 5, 10],
    ['nothing', 0, 0],
  ])('is the same on the other side: %s', (_name, from, to) => {
    const packer = new Packer('value+time');
    packed(packer, 0, 3); // A second batch of the same packer has nothing of the first.
    const batch = packed(packer, from, to);
    const there = structuredClone(batch, { transfer: handedOver(batch) });
    expect(unpack(there, SOURCE, 4)).toEqual({ ...REST, source: SOURCE, events: expected(from, to) });
    expect(batch.table.length + batch.ids.length).toBe(0);
  });
});
