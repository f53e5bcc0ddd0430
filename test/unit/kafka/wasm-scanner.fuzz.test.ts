// The fast scanner against the readable one, snappy itself and KafkaJS' decoder: on anything, the same records or
// the same refusal; nothing outside of the batch read or written; and it ends.
// REPRISE_TEST_SEED repeats a run that failed; REPRISE_TEST_RUNS makes it a longer one.

import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';
import snappyCodec from 'kafkajs-snappy';
import { afterAll, describe, expect, it } from 'vitest';
import { batchAt, HEADER_BYTES, isHeader } from '../../../src/kafka/batch-header.ts';
import type { BatchHeader } from '../../../src/kafka/batch-header.ts';
import { CodecError, decompress } from '../../../src/kafka/codecs.ts';
import { KeySet } from '../../../src/kafka/key-set.ts';
import { Malformed, walkRecords } from '../../../src/kafka/record-walk.ts';
import type { RecordHit, Wanted } from '../../../src/kafka/record-walk.ts';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';
import { WasmScanner } from '../../../src/kafka/wasm-scanner.ts';
import { damage, Draw, drawRecords, drawShortRecords, drawSnappy, storeSnappy } from './drawn-batches.ts';
import { keepIn } from './kept-hits.ts';
import { encodeBatch } from './record-batches.ts';

const RUNS = Number(process.env['REPRISE_TEST_RUNS'] ?? 60);
const SEED = Number(process.env['REPRISE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const T = 1_795_000_000_000;
const SNAPPY = 2;
const SLACK = 64;

const fast = new WasmScanner();
const { INPUT, OUTPUT, HITS, MAX_HITS, STATE } = fast.exports;
const one = new KeySet([Buffer.from('webhook-1')]);
const several = ['w', 'webhook-2', '', 'webhook-of-another-key', 'webhook-1', 'v'];
const many = new KeySet(
  [...several, ...Array.from({ length: 300 }, (_, i) => `no${i}`)].map((key) => Buffer.from(key)),
);

class Watched extends TimeWatch {
  readonly batches: string[] = [];

  constructor(newestMs: number) {
    super(T, 0);
    this.newestMs = newestMs;
  }

  override batch(minMs: number, records: number): void {
    this.batches.push(`${minMs} ${records}`);
  }
}

interface Told {
  readonly hits: string[];
  readonly scanned: number;
  readonly watch: string;
}

const tell = (hit: RecordHit): string =>
  [
    hit.key,
    hit.offset,
    hit.timestampMs,
    hit.scannedBefore,
    hex(hit.value),
    hex(hit.header),
    hex(hit.bytes),
  ].join(' ');
const hex = (bytes: Buffer | null): string => (bytes === null ? 'null' : bytes.toString('hex'));

function run(
  read: (hits: RecordHit[], watch: Watched) => { scanned: number } | null,
  newestMs: number,
): Told | null {
  const hits: RecordHit[] = [];
  const watch = new Watched(newestMs);
  const found = read(hits, watch);
  const seen = `${watch.newestMs} ${watch.disorderMs} ${watch.batches.join()}`;
  if (found !== null) return { hits: hits.map(tell), scanned: found.scanned, watch: seen };
  return null;
}

function readable(stored: Buffer, batch: BatchHeader, wanted: Wanted, newestMs: number): Told | null {
  return run((hits, watch) => {
    const harvest = { take: keepIn(hits), scanned: 3 };
    try {
      walkRecords(decompress(SNAPPY, stored), batch, wanted, harvest, watch);
      return harvest;
    } catch (error) {
      if (error instanceof Malformed || error instanceof CodecError) return null;
      throw error;
    }
  }, newestMs);
}

/** With every byte that is none of the batch's set to `poison`; what may not be written must keep it. */
function poisoned(
  stored: Buffer,
  batch: BatchHeader,
  wanted: Wanted,
  newestMs: number,
  poison: number,
): Told | null {
  const { memory } = fast;
  const inputEnd = INPUT.value + stored.length;
  // No element makes more of its bytes.
  const window = OUTPUT.value + stored.length * 32 + 1024;
  memory.fill(poison, HITS.value, HITS.value + MAX_HITS.value * 40);
  memory.fill(poison, inputEnd, inputEnd + 4096);
  memory.fill(poison, OUTPUT.value, window);
  const found = run((hits, watch) => {
    const harvest = { take: keepIn(hits), scanned: 3 };
    const before = `${watch.newestMs} ${watch.disorderMs}`;
    const added = fast.add(stored, batch, wanted, harvest, watch);
    if (added) return harvest;
    expect(hits).toEqual([]);
    expect(`${harvest.scanned} ${watch.newestMs} ${watch.disorderMs}`).toBe(`3 ${before}`);
    return null;
  }, newestMs);
  const written = found === null ? stored.length * 32 + 64 : decompress(SNAPPY, stored).length;
  expectAll(memory.subarray(inputEnd, inputEnd + 4096), poison);
  expectAll(memory.subarray(OUTPUT.value + written + SLACK, window), poison);
  return found;
}

/** With the memory as it is. */
function added(stored: Buffer, batch: BatchHeader, wanted: Wanted): Told | null {
  return run((hits, watch) => {
    const harvest = { take: keepIn(hits), scanned: 3 };
    return fast.add(stored, batch, wanted, harvest, watch) ? harvest : null;
  }, T);
}

function expectAll(bytes: Buffer, poison: number): void {
  if (!bytes.equals(Buffer.alloc(bytes.length, poison)))
    expect(bytes.findIndex((byte) => byte !== poison)).toBe(-1);
}

/** Compares; what the fast one found. */
function agree(stored: Buffer, batch: BatchHeader, wanted: Wanted, newestMs = -Infinity): Told | null {
  const truth = readable(stored, batch, wanted, newestMs);
  for (const poison of [0x00, 0xff]) {
    expect(poisoned(stored, batch, wanted, newestMs, poison)).toEqual(truth);
  }
  return truth;
}

const require = createRequire(import.meta.url);
interface KafkaJsDecoder {
  readonly buffer: Buffer;
  readVarInt(): number;
  readonly offset: number;
}
const Decoder = require('kafkajs/src/protocol/decoder') as {
  new (bytes: Buffer): KafkaJsDecoder;
  prototype: {
    readVarIntArray: (this: KafkaJsDecoder, read: (from: KafkaJsDecoder) => unknown) => unknown[];
    readVarIntBytes: (this: KafkaJsDecoder) => Buffer | null;
  };
};
// Its own makes as many headers as a record claims, out of nothing, until the memory is used up, and takes every
// length below -1 for no bytes, which Kafka takes for null: it is not asked about those.
Decoder.prototype.readVarIntArray = function (read) {
  const count = this.readVarInt();
  if (count > this.buffer.length) throw new Error('more headers than bytes');
  return Array.from({ length: Math.max(0, count) }, () => read(this));
};
const readSized = Decoder.prototype.readVarIntBytes;
Decoder.prototype.readVarIntBytes = function () {
  const ahead = new Decoder(this.buffer.subarray(this.offset));
  if (ahead.readVarInt() < -1) throw new Error('length below -1');
  return readSized.call(this);
};
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: unknown) => Promise<{
  records: {
    key: Buffer | null;
    value: Buffer | null;
    timestamp: string;
    offset: string;
    headers: Record<string, unknown>;
  }[];
}>;
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = snappyCodec;

/** The hits as KafkaJS' decoder has them, or null when it cannot read the batch. */
async function kafkaJs(head: Buffer, stored: Buffer, wanted: Wanted): Promise<string[] | null> {
  const bytes = Buffer.concat([head, stored]);
  bytes.writeInt32BE(49 + stored.length, 8);
  const batch = await decodeBatch(new Decoder(bytes)).catch(() => null);
  return (
    batch?.records.flatMap(({ key, value, timestamp, offset, headers }) => {
      const [ms, at] = [Number(timestamp), Number(offset)];
      const inRange = ms >= wanted.fromMs && ms < wanted.toMs && at >= wanted.start && at < wanted.end;
      const index = key === null ? -1 : wanted.keys.keys.findIndex((each) => each.equals(key));
      if (!inRange || index < 0) return [];
      const id = [headers['event-id'] ?? null].flat().at(-1) as Buffer | null;
      return [[index, at, ms, hex(value), hex(id)].join(' ')];
    }) ?? null
  );
}

/** Of what is told of a hit: not which of the scanned ones it is, nor its headers, which KafkaJS has in another form. */
const withoutCount = (line: string): string => line.split(' ').toSpliced(3, 1).slice(0, 5).join(' ');

function headerOf(bytes: Buffer): BatchHeader {
  const batch = batchAt(bytes, 0);
  if (!isHeader(batch)) throw new Error('the drawn batch has no header');
  return batch;
}

function drawn(draw: Draw) {
  const keys = draw.chance(0.5) ? one : many;
  const names = keys === one ? ['webhook-1'] : several;
  const baseOffset = draw.nat(1_000_000);
  const records = drawRecords(draw, names, T);
  const plain = encodeBatch({ baseOffset, records, codecNumber: SNAPPY });
  const all = draw.chance(0.5);
  const start = all ? 0 : baseOffset + draw.nat(10);
  const end = all ? Infinity : start + draw.nat(60);
  const wanted = { keys, fromMs: T, toMs: T + 250, start, end, logEnd: 1e9 };
  return {
    head: plain.subarray(0, HEADER_BYTES),
    body: plain.subarray(HEADER_BYTES),
    batch: headerOf(plain),
    wanted,
    records,
  };
}

/** The length that a raw block begins with. */
function claimedBy(block: Buffer): number {
  let claimed = 0;
  for (const [i, byte] of block.subarray(0, 5).entries()) {
    claimed += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
  }
  return claimed;
}

async function eachRun(runs: number, check: (draw: Draw) => void | Promise<void>): Promise<void> {
  for (let i = 0; i < runs; i++) {
    try {
      await check(new Draw(SEED + i));
    } catch (error) {
      throw new Error(`again with REPRISE_TEST_SEED=${SEED + i} REPRISE_TEST_RUNS=1`, { cause: error });
    }
  }
}

describe(`the fast scanner, seed ${SEED}`, () => {
  const hitsSeen = { valid: 0, damagedStored: 0, damagedBody: 0, kafkaJs: 0, refused: 0 };

  it('finds what was written, as the readable scanner and KafkaJS do', { timeout: 3_600_000 }, async () => {
    await eachRun(RUNS, async (draw) => {
      const { head, body, batch, wanted, records } = drawn(draw);
      const stored = storeSnappy(draw, body);
      const found = agree(stored, batch, wanted, draw.of([-Infinity, T + 100]));
      const truth = records.flatMap(({ key, value, timestampMs, headers = [] }, i) => {
        const offset = batch.baseOffset + i;
        const index = key === null ? -1 : wanted.keys.keys.findIndex((each) => each.equals(Buffer.from(key)));
        const inRange =
          timestampMs >= T && timestampMs < T + 250 && offset >= wanted.start && offset < wanted.end;
        const id = headers.findLast(([name]) => name === 'event-id')?.[1] ?? null;
        return index >= 0 && inRange
          ? [[index, offset, timestampMs, hex(value as Buffer), hex(id as Buffer)].join(' ')]
          : [];
      });
      expect(found?.hits.map(withoutCount)).toEqual(truth);
      expect(await kafkaJs(head, stored, wanted)).toEqual(truth);
      hitsSeen.valid += truth.length;
    });
    expect(hitsSeen.valid).toBeGreaterThan(RUNS);
  });

  it('agrees on damaged compressed bytes', { timeout: 3_600_000 }, async () => {
    await eachRun(RUNS * 4, async (draw) => {
      const { head, body, batch, wanted } = drawn(draw);
      const stored = damage(draw, storeSnappy(draw, body));
      const found = agree(stored, batch, wanted);
      if (found === null) {
        hitsSeen.refused++;
        return;
      }
      hitsSeen.damagedStored += found.hits.length;
      const theirs = await kafkaJs(head, stored, wanted);
      if (theirs !== null) hitsSeen.kafkaJs++;
      if (theirs !== null) expect(found.hits.map(withoutCount)).toEqual(theirs);
    });
    expect(hitsSeen.refused).toBeGreaterThan(RUNS / 2);
  });

  it('agrees on damaged records, rightly compressed', { timeout: 3_600_000 }, async () => {
    let refused = 0;
    await eachRun(RUNS * 4, async (draw) => {
      const { head, body, batch, wanted } = drawn(draw);
      const stored = storeSnappy(draw, damage(draw, body));
      const found = agree(stored, batch, wanted, draw.of([-Infinity, T]));
      if (found === null) {
        refused++;
        return;
      }
      hitsSeen.damagedBody += found.hits.length;
      const theirs = await kafkaJs(head, stored, wanted);
      if (theirs !== null) hitsSeen.kafkaJs++;
      if (theirs !== null) expect(found.hits.map(withoutCount)).toEqual(theirs);
    });
    expect(refused).toBeGreaterThan(RUNS);
    expect(hitsSeen.damagedBody).toBeGreaterThan(0);
  });

  it('agrees when the header lies', { timeout: 3_600_000 }, async () => {
    await eachRun(RUNS, (draw) => {
      const { body, batch, wanted } = drawn(draw);
      const far = [0, -1, 1, 2 ** 31 - 1, -(2 ** 31), 2 ** 40, 2 ** 53, -(2 ** 62)];
      const lie = {
        ...batch,
        count: draw.of([batch.count, batch.count - 1, batch.count + 1, 0, 2 ** 31 - 1]),
        lastOffset: draw.chance(0.5) ? batch.lastOffset : batch.baseOffset + draw.of(far),
        baseTimestampMs: draw.of([T, T, ...far]),
      };
      agree(storeSnappy(draw, body), lie, {
        ...wanted,
        ...draw.of([{}, { fromMs: -Infinity, toMs: Infinity }]),
      });
    });
  });

  it(
    'does not go on behind a cut into what the batch before has left there',
    { timeout: 3_600_000 },
    async () => {
      await eachRun(RUNS, (draw) => {
        const { body, batch, wanted } = drawn(draw);
        const stored = storeSnappy(draw, body);
        for (let cuts = 0; cuts < 8; cuts++) {
          const cutStored = stored.subarray(0, draw.nat(stored.length));
          const cutBody = storeSnappy(draw, body.subarray(0, draw.nat(body.length)));
          for (const cut of [cutStored, cutBody]) {
            expect(added(stored, batch, wanted)).not.toBeNull();
            expect(added(cut, batch, wanted)).toEqual(readable(cut, batch, wanted, T));
          }
        }
      });
    },
  );

  it('decodes as snappy does', { timeout: 3_600_000 }, async () => {
    let good = 0;
    await eachRun(RUNS * 4, (draw) => {
      const whole = drawSnappy(draw);
      const block = draw.chance(0.2) ? damage(draw, whole) : whole;
      let truth: Buffer | null = null;
      try {
        truth = decompress(SNAPPY, block);
        good++;
      } catch (error) {
        expect(error).toBeInstanceOf(CodecError);
      }
      for (const poison of [0x00, 0xff]) {
        const { memory } = fast;
        const room = truth?.length ?? Math.min(claimedBy(block), block.length * 32);
        const window = OUTPUT.value + room + SLACK + 4096;
        memory.fill(poison, OUTPUT.value, window);
        memory.fill(poison, INPUT.value + block.length, INPUT.value + block.length + 1024);
        block.copy(memory, INPUT.value);
        const length = fast.exports.unsnap(block.length);
        if (truth === null) expect(length).toBeLessThan(0);
        else expect(length).toBe(truth.length);
        if (truth !== null && !truth.equals(memory.subarray(OUTPUT.value, OUTPUT.value + length))) {
          expect(memory.subarray(OUTPUT.value, OUTPUT.value + length)).toEqual(truth);
        }
        expectAll(memory.subarray(OUTPUT.value + room + SLACK, window), poison);
      }
    });
    expect(good).toBeGreaterThan(RUNS);
  });

  it('agrees on records of a few bytes and on nothing but chance', { timeout: 3_600_000 }, async () => {
    await eachRun(RUNS * 4, (draw) => {
      const { batch, wanted } = drawn(draw);
      const short = drawShortRecords(draw);
      const all = { ...wanted, start: 0, end: Infinity, fromMs: -Infinity, toMs: Infinity };
      const lastOffset = batch.baseOffset + 300;
      agree(storeSnappy(draw, short.body), { ...batch, count: short.count, lastOffset }, all);
      const body = draw.bytes(draw.nat(200));
      agree(storeSnappy(draw, body), { ...batch, count: 1 + draw.nat(20), lastOffset }, wanted);
      agree(draw.bytes(draw.nat(100)), batch, wanted);
    });
  });

  afterAll(() => {
    // Keys, tags and what lies below were made once and are still the same.
    const low = fast.memory.subarray(64, STATE.value);
    expect(low.equals(new WasmScanner().memory.subarray(64, STATE.value))).toBe(true);
    console.log(`seed ${SEED}, ${RUNS} runs: ${JSON.stringify(hitsSeen)}`);
  });
});
