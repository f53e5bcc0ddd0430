// Streams that read together: each gets exactly what it would get alone, whoever else reads, lags, leaves or comes
// later; and equal ones cost the broker little more than one.

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { LogStream, StreamRequest } from '../../../src/domain/log.ts';
import { Draw } from './drawn-batches.ts';
import { FakeBroker, asked, response } from './fake-broker.ts';
import { NearReadings } from './near-stream.ts';
import { encodeBatch } from './record-batches.ts';
import type { TestRecord } from './record-batches.ts';

const SEED = Number(process.env['REPRISE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env['REPRISE_FUZZ_RUNS'] ?? 12);
const KEYS = ['w0', 'w1', 'w2', 'w3'];

interface Placed extends TestRecord {
  readonly offset: number;
}

/** A log of small batches, with holes as compaction and transactions leave them. */
class DrawnLog {
  readonly records: Placed[] = [];
  readonly broker: FakeBroker;
  bytes = 0;
  end = 0;
  readonly #batches: { readonly last: number; readonly bytes: Buffer }[] = [];

  constructor(draw: Draw, batches: number, fetchBatches: number) {
    for (let n = 0; n < batches; n++) {
      const baseOffset = this.end + (draw.chance(0.1) ? draw.nat(5) : 0);
      const records = Array.from({ length: 1 + draw.nat(30) }, (_, index) => ({
        key: draw.chance(0.8) ? draw.of(KEYS) : 'other',
        value: `v${baseOffset + index}`,
        timestampMs: n * 10 + draw.nat(30),
        offset: baseOffset + index,
      }));
      this.records.push(...records);
      this.end = baseOffset + records.length;
      this.#batches.push({ last: this.end - 1, bytes: encodeBatch({ baseOffset, records }) });
    }
    this.broker = new FakeBroker(async ({ offset }) => {
      if (draw.chance(0.2)) await setImmediate();
      if (draw.chance(0.02)) return response({ errorCode: 6, highWatermark: this.end });
      const first = this.#batches.findIndex(({ last }) => last >= offset);
      const found = first === -1 ? [] : this.#batches.slice(first, first + fetchBatches);
      const bytes = Buffer.concat(found.map((batch) => batch.bytes));
      this.bytes += bytes.length;
      return response({ highWatermark: this.end, records: bytes });
    });
  }

  get size(): number {
    return this.#batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  wantedBy({ key, fromMs, toMs, start }: StreamRequest, end: number): number[] {
    return this.records
      .filter((record) => record.key === key && record.offset >= start && record.offset < end)
      .filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
      .map(({ offset }) => offset);
  }
}

interface Told {
  readonly offsets: number[];
  next: number;
  scanned: number;
}

/** Reads to the end as fast as `pace` lets it, and holds every batch to the port's promises. */
async function readAll(stream: LogStream, start: number, pace: () => Promise<unknown>): Promise<Told> {
  const told: Told = { offsets: [], next: start, scanned: 0 };
  for (;;) {
    await pace();
    const batch = await stream.next();
    expect(batch.gaps).toEqual([]);
    expect(batch.next).toBeGreaterThanOrEqual(told.next);
    for (const { offset, value, scannedBefore } of batch.events) {
      expect(value?.toString()).toBe(`v${offset}`);
      expect(offset).toBeGreaterThan(told.offsets.at(-1) ?? start - 1);
      expect(offset).toBeGreaterThanOrEqual(told.next);
      expect(offset).toBeLessThan(batch.next);
      expect(scannedBefore).toBeGreaterThan(0);
      expect(scannedBefore).toBeLessThanOrEqual(batch.scanned);
      told.offsets.push(offset);
    }
    told.next = batch.next;
    told.scanned += batch.scanned;
    if (batch.done) return told;
  }
}

const pauses = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await setImmediate();
};

function drawRequest(draw: Draw, log: DrawnLog): { request: StreamRequest; end: number } {
  const start = draw.chance(0.6) ? 0 : draw.nat(log.end);
  const end = draw.chance(0.6) ? log.end : start + draw.nat(log.end - start + 1);
  const fromMs = draw.chance(0.6) ? 0 : draw.nat(800);
  const toMs = draw.chance(0.6) ? 1e9 : fromMs + draw.nat(800);
  return { request: asked(end, { key: draw.of(KEYS), start, fromMs, toMs, scan: 'full' }), end };
}

describe(`streams of one partition, seed ${SEED}`, () => {
  test('get exactly what each would get alone', { timeout: 120_000 }, async () => {
    for (let run = 0; run < RUNS; run++) {
      const draw = new Draw(SEED + run);
      const log = new DrawnLog(draw, 60, 1 + draw.nat(4));
      const readings = new NearReadings(log.broker, {
        disorderSlackMs: 1_000,
        waitingEvents: draw.of([4, 20, 100]),
      });
      const streams = Array.from({ length: 1 + draw.nat(7) }, async () => {
        await pauses(draw.nat(200));
        const { request, end } = drawRequest(draw, log);
        const slowness = draw.of([0, 0, 3, 60]);
        const stream = readings.stream(request);
        if (draw.chance(0.1)) {
          await stream.next();
          await stream.close();
          return;
        }
        const told = await readAll(stream, request.start, () => pauses(draw.nat(slowness + 1)));
        const hint = `seed ${SEED + run}, ${request.key} [${request.start}, ${end})`;
        expect(told.offsets, hint).toEqual(log.wantedBy(request, end));
        expect(told.next, hint).toBe(Math.max(request.start, end));
        const within = log.records.filter(({ offset }) => offset >= request.start && offset < end);
        expect(told.scanned, hint).toBe(within.length);
      });
      await Promise.all(streams);
    }
  });

  test('are read once when they are equal and begin about together', async () => {
    const log = new DrawnLog(new Draw(7), 2_000, 4);
    const readings = new NearReadings(log.broker, { disorderSlackMs: 1_000, waitingEvents: 100 });
    const read = async (n: number): Promise<void> => {
      await pauses(n);
      const request = asked(log.end, { key: KEYS[n % KEYS.length] ?? '', toMs: 1e9 });
      const told = await readAll(readings.stream(request), 0, () => pauses(n % 3));
      expect(told.offsets).toEqual(log.wantedBy(request, log.end));
    };
    await Promise.all(Array.from({ length: 16 }, (_, n) => read(n)));
    expect(log.bytes / log.size).toBeLessThan(1.3);
  });

  test('do not wait for one that takes nothing, which then goes on where it stood', async () => {
    const log = new DrawnLog(new Draw(8), 500, 4);
    const readings = new NearReadings(log.broker, { disorderSlackMs: 1_000, waitingEvents: 20 });
    const request = (key: string) => asked(log.end, { key, toMs: 1e9 });
    const held = Promise.withResolvers<undefined>();
    const slow = readAll(readings.stream(request('w0')), 0, () => held.promise);
    const fast = await readAll(readings.stream(request('w1')), 0, () => Promise.resolve());
    expect(fast.offsets).toEqual(log.wantedBy(request('w1'), log.end));
    held.resolve(undefined);
    expect((await slow).offsets).toEqual(log.wantedBy(request('w0'), log.end));
    expect(log.bytes / log.size).toBeLessThan(2.3);
  });
});
