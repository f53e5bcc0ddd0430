import { beforeEach, describe, expect, it } from 'vitest';
import { AbortedTransactions } from '../../../src/kafka/aborted.ts';
import type { AbortedTransaction } from '../../../src/kafka/aborted.ts';
import { offsetAfter } from '../../../src/kafka/batch-header.ts';
import { KeySet } from '../../../src/kafka/key-set.ts';
import type { FastScanner } from '../../../src/kafka/record-scanner.ts';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';
import { WasmScanner } from '../../../src/kafka/wasm-scanner.ts';
import { scanKept } from './kept-hits.ts';
import { encodeBatch, encodeBatches, sign } from './record-batches.ts';
import type { TestCodec, TestRecord } from './record-batches.ts';

const T = 1_795_000_000_000;

let fast: FastScanner | null = null;

interface Asked {
  key?: string;
  fromMs?: number;
  toMs?: number;
  start?: number;
  end?: number;
  aborted?: AbortedTransaction[];
  watch?: TimeWatch;
}

function scan(records: Buffer, asked: Asked = {}) {
  const { key = 'w', fromMs = T, toMs = T + 1000, start = 0, end = Infinity } = asked;
  const wanted = { keys: new KeySet([Buffer.from(key)]), fromMs, toMs, start, end, logEnd: 1_000_000_000 };
  const aborted = new AbortedTransactions(asked.aborted ?? []);
  return scanKept(records, wanted, aborted, asked.watch ?? new TimeWatch(toMs, 0), fast);
}

const record = (value: string | null, ms = 0, key: string | null = 'w'): TestRecord => ({
  key,
  value,
  timestampMs: T + ms,
});
const values = (found: ReturnType<typeof scan>) => found.hits.map((hit) => hit.value?.toString() ?? null);

describe.each([
  ['the readable', null],
  ['the fast', new WasmScanner()],
] as const)('scanRecords, %s way', (_, way) => {
  beforeEach(() => {
    fast = way;
  });

  it.each(['none', 'gzip', 'snappy', 'xerial', 'lz4', 'lz4-sized', 'zstd'] satisfies TestCodec[])(
    'reads a batch in %s',
    (codec) => {
      const big = 'x'.repeat(100_000);
      const found = scan(
        encodeBatch({ baseOffset: 40, codec, records: [record('a'), record('no', 0, 'other'), record(big)] }),
      );
      expect(values(found)).toEqual(['a', big]);
      expect(found.hits.map((hit) => [hit.offset, hit.scannedBefore])).toEqual([
        [40, 1],
        [42, 3],
      ]);
      expect(found).toMatchObject({ next: 43, scanned: 3, fault: null });
    },
  );

  it('takes [from, to) by record time, also where times run backwards below the base time', () => {
    const batch = encodeBatch({
      baseOffset: 0,
      records: [record('late', 1000), record('first', 0), record('old', -1), record('last', 999)],
    });
    expect(values(scan(batch))).toEqual(['first', 'last']);
  });

  it('tells a null value from an empty one and a foreign key of equal length', () => {
    const batch = encodeBatch({
      baseOffset: 0,
      records: [record(null), record(''), record('x', 0, 'v'), record('x', 0, null), record('x', 0, '')],
    });
    expect(values(scan(batch))).toEqual([null, '']);
  });

  it('takes the last event-id header', () => {
    const headers = [
      ['event-id', 'first'],
      ['other', 'x'],
      ['event-id', 'second'],
      ['event-idx', 'no'],
    ] as const;
    const found = scan(encodeBatch({ baseOffset: 0, records: [{ ...record('a'), headers }, record('b')] }));
    expect(found.hits.map((hit) => hit.header?.toString() ?? null)).toEqual(['second', null]);
  });

  it('keeps to the offsets asked for', () => {
    const records = Array.from({ length: 10 }, (_, i) => record(`v${i}`));
    const found = scan(encodeBatch({ baseOffset: 100, records }), { start: 103, end: 106 });
    expect(values(found)).toEqual(['v3', 'v4', 'v5']);
    expect(found).toMatchObject({ next: 106, scanned: 3 });
  });

  it('passes over a batch that is older than the range, and one emptied by compaction', () => {
    const found = scan(
      encodeBatches(
        { baseOffset: 0, records: [record('old', -20), record('old', -10)] },
        { baseOffset: 2, records: [], count: 0, lastOffsetDelta: 7, maxTimestampMs: T },
        { baseOffset: 10, records: [record('a')] },
      ),
    );
    expect(values(found)).toEqual(['a']);
    expect(found).toMatchObject({ next: 11, scanned: 3 });
  });

  it('copes with offsets that compaction thinned out', () => {
    const found = scan(
      encodeBatch({ baseOffset: 5, records: [{ ...record('a'), delta: 3 }], lastOffsetDelta: 9 }),
    );
    expect(found.hits[0]?.offset).toBe(8);
    expect(found.next).toBe(15);
  });

  it('drops aborted records and markers, keeps committed and plain ones', () => {
    const tx = { transactional: true };
    const found = scan(
      encodeBatches(
        { baseOffset: 0, records: [record('void')], producerId: 1, ...tx },
        { baseOffset: 1, records: [record('plain')] },
        { baseOffset: 2, records: [record('other')], producerId: 2, ...tx },
        { baseOffset: 3, records: [], control: 'abort', producerId: 1, maxTimestampMs: T },
        { baseOffset: 4, records: [record('again')], producerId: 1, ...tx },
        { baseOffset: 5, records: [], control: 'commit', producerId: 1, maxTimestampMs: T },
      ),
      { aborted: [{ producerId: 1, firstOffset: 0 }] },
    );
    expect(values(found)).toEqual(['plain', 'other', 'again']);
    expect(found).toMatchObject({ next: 6, scanned: 4, fault: null });
  });

  it('stops at a damaged batch and names exactly its offsets', () => {
    const damaged = encodeBatch({ baseOffset: 1, records: [record('b'), record('c')] });
    damaged.writeUInt8(damaged.readUInt8(70) ^ 1, 70);
    const found = scan(
      Buffer.concat([
        encodeBatch({ baseOffset: 0, records: [record('a')] }),
        damaged,
        encodeBatch({ baseOffset: 3, records: [record('d')] }),
      ]),
    );
    expect(values(found)).toEqual(['a']);
    expect(found).toMatchObject({ next: 1, fault: { from: 1, to: 3, reason: 'crc_mismatch' } });
  });

  it('believes the following batch when the damaged header claims another end', () => {
    const damaged = encodeBatch({ baseOffset: 0, records: [record('a')] });
    damaged.writeInt32BE(1_000_000, 23);
    const found = scan(Buffer.concat([damaged, encodeBatch({ baseOffset: 1, records: [record('b')] })]));
    expect(found.fault).toEqual({ from: 0, to: 1, reason: 'crc_mismatch' });
  });

  it('does not believe a base offset behind the log’s end or before the batch before', () => {
    const first = encodeBatch({ baseOffset: 5, records: [record('a')] });
    const third = encodeBatch({ baseOffset: 7, records: [record('c')] });
    for (const baseOffset of [2 ** 40, 3]) {
      const found = scan(Buffer.concat([first, encodeBatch({ baseOffset, records: [record('b')] }), third]));
      expect(values(found)).toEqual(['a']);
      expect(found.fault).toEqual({ from: 6, to: 7, reason: 'unreadable_batch' });
    }
  });

  it.each([
    ['an unknown codec', { codecNumber: 6 }, 'unknown_codec'],
    ['an old message format', { magic: 1 }, 'unreadable_batch'],
    ['fewer records than bytes', { count: 1 }, 'unreadable_batch'],
    ['more records than bytes', { count: 3 }, 'unreadable_batch'],
    ['offsets outside itself', { lastOffsetDelta: 0 }, 'unreadable_batch'],
  ] as const)('reports %s as a value and yields nothing of the batch', (_, part, reason) => {
    const found = scan(encodeBatch({ baseOffset: 7, records: [record('a'), record('b')], ...part }));
    expect(found.hits).toEqual([]);
    expect(found.fault).toMatchObject({ from: 7, reason });
  });

  it('says when the broker wrote its own times', () => {
    const found = scan(encodeBatch({ baseOffset: 0, records: [record('a')], logAppendTime: true }));
    expect(found.logAppendTime).toBe(true);
    expect(found.hits).toEqual([]);
  });

  it('takes a cut last batch for the end of the response', () => {
    const whole = encodeBatch({ baseOffset: 0, records: [record('a')] });
    for (let cut = 0; cut < whole.length; cut++) {
      const found = scan(Buffer.concat([whole, whole.subarray(0, cut)]));
      expect(found).toMatchObject({ next: 1, fault: null });
    }
  });

  it('sees the disorder of a log', () => {
    const watch = new TimeWatch(T + 1000, 0);
    scan(encodeBatch({ baseOffset: 0, records: [record('a', 500), record('b', 20), record('c', 700)] }), {
      watch,
    });
    expect(watch).toMatchObject({ disorderMs: 480, newestMs: T + 700 });
  });

  it('copies hits: a response may be reused at once', () => {
    const bytes = encodeBatch({ baseOffset: 0, records: [record('hello')] });
    const found = scan(bytes);
    bytes.fill(0);
    expect(values(found)).toEqual(['hello']);
  });

  it('agrees with the header walk about where to go on', () => {
    const bytes = encodeBatches(
      { baseOffset: 0, records: [record('a'), record('b')] },
      { baseOffset: 9, records: [record('c')], lastOffsetDelta: 3 },
    );
    expect(offsetAfter(bytes, 0)).toBe(13);
    expect(scan(bytes).next).toBe(13);
  });

  it('never reads outside a record whose inner lengths lie', () => {
    const bytes = encodeBatch({ baseOffset: 0, records: [record('aaaa'), record('bbbb')] });
    for (let at = 61; at < bytes.length; at++) {
      for (const lie of [0x00, 0x01, 0x7e, 0x7f, 0xfe, 0xff]) {
        const bad = Buffer.from(bytes);
        bad.writeUInt8(lie, at);
        const found = scan(sign(bad));
        for (const value of values(found)) expect(value === null || value.length <= bytes.length).toBe(true);
      }
    }
  });
});
