import { describe, expect, it } from 'vitest';
import { AbortedTransactions } from '../../../src/kafka/aborted.ts';
import { batchAt, HEADER_BYTES, isHeader } from '../../../src/kafka/batch-header.ts';
import { KeySet } from '../../../src/kafka/key-set.ts';
import type { RecordHit } from '../../../src/kafka/record-walk.ts';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';
import { WasmScanner } from '../../../src/kafka/wasm-scanner.ts';
import { keepIn, scanKept } from './kept-hits.ts';
import { encodeBatch } from './record-batches.ts';
import type { TestRecord } from './record-batches.ts';

const T = 1_795_000_000_000;
const MIB = 1024 * 1024;
const fast = new WasmScanner();

const keySet = (...keys: string[]) => new KeySet(keys.map((key) => Buffer.from(key)));
const record = (key: string, value: string | Buffer): TestRecord => ({ key, value, timestampMs: T });
const wantedOf = (keys: KeySet) => ({ keys, fromMs: T, toMs: T + 1, start: 0, end: Infinity, logEnd: 1e9 });

/** What it adds, or null when it says no; then it must have added nothing. */
function add(bytes: Buffer, keys: KeySet, countMore = 0): RecordHit[] | null {
  const batch = batchAt(bytes, 0);
  if (!isHeader(batch)) throw new Error('no batch');
  const hits: RecordHit[] = [];
  const harvest = { take: keepIn(hits), scanned: 0 };
  const lie = { ...batch, count: batch.count + countMore };
  if (fast.add(bytes.subarray(HEADER_BYTES), lie, wantedOf(keys), harvest, new TimeWatch(T, 0))) return hits;
  expect(hits).toEqual([]);
  expect(harvest.scanned).toBe(0);
  return null;
}

function scan(bytes: Buffer, keys: KeySet) {
  return scanKept(bytes, wantedOf(keys), new AbortedTransactions([]), new TimeWatch(T, 0), fast);
}

describe('WasmScanner', () => {
  it('has room for all that its layout names, and cannot grow', () => {
    const { MEMORY_END, memory } = fast.exports;
    expect(fast.memory.length).toBeGreaterThanOrEqual(MEMORY_END.value);
    expect(fast.memory.length).toBeLessThan(32 * MIB);
    expect(() => memory.grow(1)).toThrow(RangeError);
  });

  it('leaves a batch that decodes to more than its memory to the readable scanner', () => {
    const keys = keySet('w');
    const room = fast.exports.MAX_OUTPUT.value;
    const encoded = (size: number, codec: 'snappy' | 'xerial') =>
      encodeBatch({ baseOffset: 0, codec, records: [record('w', Buffer.alloc(size, 'ab'))] });
    const overhead = 15;
    for (const codec of ['snappy', 'xerial'] as const) {
      const full = add(encoded(room - overhead, codec), keys);
      expect(full?.[0]?.value?.equals(Buffer.alloc(room - overhead, 'ab'))).toBe(true);
      expect(add(encoded(room + 1, codec), keys)).toBeNull();
      expect(scan(encoded(room + 1, codec), keys).hits[0]?.value?.length).toBe(room + 1);
    }
  });

  it('leaves a batch that is stored in more than its memory to the readable scanner', () => {
    const keys = keySet('w');
    const noise = Buffer.from(
      Uint8Array.from({ length: 5 * MIB }, (_, i) => Math.imul(i, 2654435761) >>> 24),
    );
    for (let i = 0; i < noise.length; i += 3) noise[i] = (Math.imul(i, i) ^ (i >>> 5)) & 0xff;
    const bytes = encodeBatch({ baseOffset: 0, codec: 'xerial', records: [record('w', noise)] });
    expect(bytes.length).toBeGreaterThan(fast.exports.MAX_INPUT.value);
    expect(add(bytes, keys)).toBeNull();
    expect(scan(bytes, keys).hits[0]?.value?.equals(noise)).toBe(true);
  });

  it('finds more records than it can name at once', () => {
    const records = Array.from({ length: 3 * fast.exports.MAX_HITS.value }, (_, i) =>
      record('w', `value ${i}`),
    );
    const bytes = encodeBatch({ baseOffset: 9, codec: 'xerial', records });
    const hits = add(bytes, keySet('w'));
    expect(hits?.map(({ value }) => String(value))).toEqual(records.map(({ value }) => value));
    expect(hits?.map(({ offset }) => offset)).toEqual(records.map((_, i) => 9 + i));
    expect(hits?.map(({ scannedBefore }) => scannedBefore)).toEqual(records.map((_, i) => 1 + i));
    // It has told most of them when it finds that the batch is no good.
    expect(add(bytes, keySet('w'), 1)).toBeNull();
  });

  it('serves readers with other keys in turn', () => {
    const bytes = encodeBatch({
      baseOffset: 0,
      codec: 'snappy',
      records: [record('w', 'of w'), record('', 'of none'), record('webhook-2', 'of 2'), record('x', 'of x')],
    });
    const sets = [keySet('w'), keySet('webhook-2', 'w', ''), keySet('x'), keySet('y', 'z')];
    const told = [['0 of w'], ['1 of w', '2 of none', '0 of 2'], ['0 of x'], []];
    for (let round = 0; round < 3; round++) {
      for (const [i, keys] of sets.entries()) {
        expect(add(bytes, keys)?.map(({ key, value }) => `${key} ${String(value)}`)).toEqual(told[i]);
      }
    }
  });

  it('takes as many keys as fit, and leaves more to the readable scanner', () => {
    const names = Array.from({ length: fast.exports.MAX_KEYS.value }, (_, i) => `webhook-${i}`);
    const bytes = encodeBatch({
      baseOffset: 0,
      codec: 'xerial',
      records: names.map((name) => record(name, name)),
    });
    const found = add(bytes, keySet(...names.toReversed()));
    expect(found?.map(({ key }) => key)).toEqual(names.map((_, i) => names.length - 1 - i));
    const tooMany = keySet(...names, 'one-more');
    expect(add(bytes, tooMany)).toBeNull();
    expect(scan(bytes, tooMany).hits.length).toBe(names.length);
    expect(add(bytes, keySet('x'.repeat(fast.exports.MAX_KEY_BYTES.value + 1)))).toBeNull();
  });

  it('copies hits: its memory may be used again at once', () => {
    const keys = keySet('w');
    const hits = add(encodeBatch({ baseOffset: 0, codec: 'snappy', records: [record('w', 'hello')] }), keys);
    add(encodeBatch({ baseOffset: 0, codec: 'snappy', records: [record('w', 'other')] }), keys);
    expect(String(hits?.[0]?.value)).toBe('hello');
  });
});
