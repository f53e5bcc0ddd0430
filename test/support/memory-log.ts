// A DeliveryLog in memory: sources as arrays, batches cut as the test likes, everything asynchronous.

import { logSourceOf } from '../../src/domain/ids.ts';
import type { SourceName } from '../../src/domain/ids.ts';
import type { Piece, Pin } from '../../src/domain/job.ts';
import { identify } from '../../src/domain/identity.ts';
import type { DeliveryLog, EventBatch, LogEvent, LogStream, StreamRequest } from '../../src/domain/log.ts';

export interface MemoryRecord {
  readonly key: string;
  readonly id: string;
  readonly timestampMs: number;
  /** true = a null value. */
  readonly tombstone?: boolean;
}

export class MemoryLog implements DeliveryLog {
  readonly #sources: ReadonlyMap<SourceName, readonly MemoryRecord[]>;
  readonly #batchSize: () => number;
  /** First offset that is still readable, per source: what lies below is gone. */
  readonly lowest = new Map<SourceName, number>();
  /** Offsets [from, to) that cannot be read for now, per source. */
  readonly damaged = new Map<SourceName, Piece>();

  /** A batch that begins at or behind `at` is not given before `until` resolves. */
  hold: { readonly at: number; readonly until: Promise<unknown> } | null = null;

  constructor(sources: ReadonlyMap<SourceName, readonly MemoryRecord[]>, batchSize: () => number) {
    this.#sources = sources;
    this.#batchSize = batchSize;
  }

  async lookup(_range: unknown, pinEnds: boolean) {
    await turn();
    const pins: Pin[] = [...this.#sources].map(([source, records]) => ({
      source,
      topic: 'delivery_log',
      partition: 0,
      start: 0,
      end: pinEnds ? records.length : null,
      first: null,
    }));
    return { site: 'dc1', partition: 0, pins, maxRecords: 0, gaps: [] };
  }

  async ends(pins: readonly Pin[]) {
    await turn();
    return Object.fromEntries(pins.map(({ source }) => [source, this.#sources.get(source)?.length ?? 0]));
  }

  async marks(pins: readonly Pin[]) {
    await turn();
    return Object.fromEntries(pins.map(({ source }) => [source, null]));
  }

  reading() {
    return { partitions: 1, now: [] };
  }

  status() {
    return [];
  }

  stream(request: StreamRequest, signal: AbortSignal): LogStream {
    let next = request.start;
    return {
      next: async () => {
        await turn();
        if (this.hold && next >= this.hold.at) await this.hold.until;
        signal.throwIfAborted();
        const batch = this.#batch(request, next);
        next = batch.next;
        return batch;
      },
      close: () => Promise.resolve(),
    };
  }

  #batch(request: StreamRequest, from: number): EventBatch {
    const { source, partition } = request.pin;
    const base = logSourceOf(source);
    const records = this.#sources.get(base) ?? [];
    const end = request.end() ?? records.length;
    const lowest = Math.min(end, this.lowest.get(base) ?? 0);
    const [bad, mended] = this.damaged.get(base) ?? [Infinity, Infinity];
    if (from >= bad && from < Math.min(mended, end)) {
      const gap = { source, from, to: Math.min(mended, end), reason: 'crc_mismatch' as const };
      return { ...silent(source, gap.to), gaps: [gap], done: gap.to >= end };
    }
    const start = Math.max(from, lowest);
    const next = Math.min(end, start + this.#batchSize(), start < bad ? bad : Infinity);
    const events: LogEvent[] = [];
    for (let offset = start; offset < next; offset++) {
      const record = records[offset];
      if (!record || record.key !== request.key) continue;
      if (record.timestampMs < request.fromMs || record.timestampMs >= request.toMs) continue;
      events.push(eventOf(source, partition, offset, record, offset - start + 1));
    }
    const gaps = start > from ? [{ source, from, to: start, reason: 'retention' as const }] : [];
    const frontierMs = records[next]?.timestampMs ?? Infinity;
    const done = next >= end;
    return { source, events, next, scanned: next - start, bytes: 0, frontierMs, gaps, disorderMs: 0, done };
  }
}

const silent = (source: SourceName, next: number): EventBatch => ({
  source,
  events: [],
  next,
  scanned: 0,
  bytes: 0,
  frontierMs: 0,
  gaps: [],
  disorderMs: 0,
  done: false,
});

function eventOf(
  source: SourceName,
  partition: number,
  offset: number,
  record: MemoryRecord,
  scannedBefore: number,
): LogEvent {
  const place = { source, partition, offset, timestampMs: record.timestampMs, scannedBefore };
  if (record.tombstone) return { ...place, value: null, eventId: '', identity: '' };
  const value = Buffer.from(`{"id":"${record.id}"}`);
  return { ...place, value, ...identify(Buffer.from(record.id), value, record.timestampMs, 'value') };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
