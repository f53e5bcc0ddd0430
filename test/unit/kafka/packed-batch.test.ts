// What a scan found is what the other thread gets, whatever becomes of the scanner's memory in between.

import { describe, expect, it } from 'vitest';
import { identify } from '../../../src/domain/identity.ts';
import { sourceName } from '../../../src/domain/ids.ts';
import { handedOver, Packer, unpack } from '../../../src/kafka/reading/packed-batch.ts';
import type { PackedBatch } from '../../../src/kafka/reading/packed-batch.ts';
import { AbortedTransactions } from '../../../src/kafka/aborted.ts';
import { KeySet } from '../../../src/kafka/key-set.ts';
import { scanRecords } from '../../../src/kafka/record-scanner.ts';
import type { FastScanner } from '../../../src/kafka/record-scanner.ts';
import type { RecordHit } from '../../../src/kafka/record-walk.ts';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';
import { WasmScanner } from '../../../src/kafka/wasm-scanner.ts';
import { encodeBatch } from './record-batches.ts';
import type { TestCodec, TestRecord } from './record-batches.ts';

const SOURCE = sourceName('dc1', 'log');
const T = 1_795_000_000_000;
const REST = { next: 9, scanned: 5, bytes: 7, frontierMs: T, gaps: [], disorderMs: 0, done: false };
const NO_HEADERS = { bytes: Buffer.from([0]), headersAt: 0 };
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
    const place = { key: 0, offset: 3 * at, timestampMs: T + at, scannedBefore: 0, ...NO_HEADERS };
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

describe('filters of a packed batch', () => {
  const type = (...values: readonly (string | null)[]) => values.map((value) => ['type', value] as const);
  const RECORDS: readonly TestRecord[] = [
    { key: 'w', timestampMs: T, value: '{"ok":true}', headers: type('a') },
    { key: 'w', timestampMs: T, value: '{"ok":true}', headers: [...type('b', null), ['event-id', 'x']] },
    { key: 'w', timestampMs: T, value: '{"ok":false}', headers: type('a') },
    { key: 'w', timestampMs: T, value: null, headers: type('b') },
    { key: 'w', timestampMs: T, value: '{"ok":true}', headers: [...type('b', 'a'), ['Type', 'b']] },
    { key: 'w', timestampMs: T, value: '{"ok":true}' },
    { key: 'w', timestampMs: T, value: Buffer.alloc(0), headers: type('a') },
  ];
  const filters = [
    { where: 'header', path: 'type', op: 'in', values: ['a', ''] },
    { where: 'value', path: '/ok', op: 'equals', values: [true] },
  ] as const;

  function pack(codec: TestCodec, fast: FastScanner | null) {
    const packer = new Packer('value', filters);
    const wanted = {
      keys: new KeySet([Buffer.from('w')]),
      fromMs: T,
      toMs: T + 1,
      start: 0,
      end: 100,
      logEnd: 100,
    };
    const bytes = encodeBatch({ baseOffset: 10, codec, records: RECORDS });
    const take = (hit: RecordHit): void => packer.add(hit, hit.scannedBefore);
    scanRecords(bytes, wanted, new AbortedTransactions([]), new TimeWatch(T, 0), take, fast);
    return unpack({ ...packer.take(), ...REST }, SOURCE, 4).events;
  }

  it.each<[string, TestCodec, FastScanner | null]>([
    ['the readable scanner', 'none', null],
    ['the fast scanner', 'xerial', new WasmScanner()],
  ])('leave the place alone of what does not pass, through %s', (_name, codec, fast) => {
    const events = pack(codec, fast);
    expect(events.map(({ offset, scannedBefore }) => [offset, scannedBefore])).toEqual(
      RECORDS.map((_, at) => [10 + at, 1 + at]),
    );
    const left = { value: null, isFiltered: true, eventId: '', identity: '', digest: '' };
    const place = { source: SOURCE, partition: 4, timestampMs: T };
    for (const at of [1, 2, 5, 6]) {
      expect(events[at]).toEqual({ ...place, offset: 10 + at, scannedBefore: 1 + at, ...left });
    }
    for (const at of [0, 4]) {
      expect(events[at]).toEqual({
        ...place,
        ...{ offset: 10 + at, scannedBefore: 1 + at, value: Buffer.from('{"ok":true}') },
        ...identify(null, Buffer.from('{"ok":true}'), T, 'value'),
      });
    }
    const { isFiltered: _isFiltered, ...nothing } = left;
    expect(events[3]).toEqual({ ...place, offset: 13, scannedBefore: 4, ...nothing });
  });
});
