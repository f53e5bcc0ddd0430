// A DeliveryLog in memory: sources as arrays, batches cut as the test likes, everything asynchronous.

import { FilterSet } from '../../src/domain/event-filter.ts';
import { logSourceOf, siteOf } from '../../src/domain/ids.ts';
import type { SourceName } from '../../src/domain/ids.ts';
import { RepriseError } from '../../src/domain/errors.ts';
import type { EventFilter, Evidence, Piece, Pin } from '../../src/domain/job.ts';
import { identify } from '../../src/domain/identity.ts';
import type {
  DeliveryLog,
  EndsRequest,
  EventBatch,
  LogEvent,
  LogStream,
  StreamRequest,
} from '../../src/domain/log.ts';

export interface MemoryRecord {
  readonly key: string;
  readonly id: string;
  readonly timestampMs: number;
  /** Its header `kind`, for filters. */
  readonly kind?: string;
  /** true = a null value. */
  readonly tombstone?: boolean;
}

/** Wants the records of kind `wanted`. */
export const WANTED_ONLY: EventFilter = { where: 'header', path: 'kind', op: 'equals', values: ['wanted'] };

export class MemoryLog implements DeliveryLog {
  readonly #sources: ReadonlyMap<SourceName, readonly MemoryRecord[]>;
  readonly #batchSize: () => number;
  /** First offset that is still readable, per source: what lies below is gone. */
  readonly lowest = new Map<SourceName, number>();
  /** Offsets [from, to) that cannot be read for now, per source. */
  readonly damaged = new Map<SourceName, Piece>();

  /** Sites that do not answer; `breakDown` and `mend` change it. */
  readonly #down = new Set<string>();
  /** Copy -> what it is a copy of, and what is found out about it. */
  readonly copies = new Map<SourceName, { readonly of: SourceName; readonly evidence: Evidence }>();
  /** Sources that no retry can read, and why. */
  readonly broken = new Map<SourceName, 'log_replaced' | 'log_unusable'>();
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  /** A batch that begins at or behind `at` is not given before `until` resolves. */
  hold: { readonly at: number; readonly until: Promise<unknown> } | null = null;

  constructor(sources: ReadonlyMap<SourceName, readonly MemoryRecord[]>, batchSize: () => number) {
    this.#sources = sources;
    this.#batchSize = batchSize;
  }

  get sites() {
    return [...new Set([...this.#sources.keys()].map(siteOf))];
  }

  /** From now on the site answers nobody. */
  breakDown(site: string): void {
    this.#down.add(site);
    this.#change();
  }

  mend(site: string): void {
    this.#down.delete(site);
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async lookup(
    site: string,
    _range: unknown,
    pinEnds: boolean,
    signal: AbortSignal = new AbortController().signal,
  ) {
    await this.#answers(site, signal);
    const pins = [...this.#sources]
      .filter(([source]) => siteOf(source) === site)
      .map(([source, records]): Pin => {
        const copy = this.copies.get(source);
        return {
          source,
          topic: 'delivery_log',
          partition: 0,
          start: 0,
          end: pinEnds && !copy ? records.length : null,
          first: null,
          ...(copy && { copyOf: copy.of }),
        };
      });
    return { site, partition: 0, pins, maxRecords: 0, gaps: [] };
  }

  async watermarks(pins: readonly Pin[], signal: AbortSignal = new AbortController().signal) {
    for (const { source } of pins) await this.#answers(siteOf(source), signal);
    return Object.fromEntries(pins.map(({ source }) => [source, this.#sources.get(source)?.length ?? 0]));
  }

  async ends(pins: readonly Pin[], { readThemselves }: EndsRequest, signal: AbortSignal) {
    const ends = await this.watermarks(pins, signal);
    const evidence = pins.flatMap(({ source, copyOf }): [SourceName, Evidence][] => {
      const copy = this.copies.get(source);
      const isNeedless =
        copyOf !== undefined && readThemselves.has(copyOf) && copy?.evidence !== 'endOffsets';
      return copy && !isNeedless ? [[source, copy.evidence]] : [];
    });
    return { ends, evidence: Object.fromEntries(evidence) };
  }

  /** Resolves when the site answers. */
  async #answers(site: string, signal: AbortSignal): Promise<void> {
    await turn();
    while (this.#down.has(site)) {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        void this.#changed.promise.then(resolve);
      });
    }
    signal.throwIfAborted();
  }

  async marks(pins: readonly Pin[], signal: AbortSignal = new AbortController().signal) {
    for (const { source } of pins) await this.#answers(siteOf(source), signal);
    return Object.fromEntries(pins.map(({ source }) => [source, null]));
  }

  reading() {
    return { partitions: 1, now: [] };
  }

  status() {
    const problemOf = (site: string): string | null => (this.#down.has(site) ? 'it is down' : null);
    return this.sites.map((site) => ({ site, reachable: true, problem: problemOf(site), sinceMs: 0 }));
  }

  stream(request: StreamRequest, signal: AbortSignal): LogStream {
    let next = request.start;
    return {
      next: async () => {
        await turn();
        if (this.hold && next >= this.hold.at) await this.hold.until;
        await this.#readable(request, signal);
        signal.throwIfAborted();
        const batch = this.#batch(request, next);
        next = batch.next;
        return batch;
      },
      close: () => Promise.resolve(),
    };
  }

  async #readable({ pin, onWait }: StreamRequest, signal: AbortSignal): Promise<void> {
    const source = logSourceOf(pin.source);
    const code = this.broken.get(source);
    if (code) throw new RepriseError(code, `${source} is broken`);
    if (!this.#down.has(siteOf(source))) return;
    onWait?.({ why: 'broker', sinceMs: Date.now(), detail: 'it is down' });
    await this.#answers(siteOf(source), signal);
    onWait?.(null);
  }

  #batch(request: StreamRequest, from: number): EventBatch {
    const { source, partition } = request.pin;
    const filters = FilterSet.of(request.filters ?? []);
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
      const event = eventOf(source, partition, offset, record, offset - start + 1);
      events.push(filtered(event, record, filters));
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
  if (record.tombstone) return { ...place, value: null, eventId: '', identity: '', digest: '' };
  const value = Buffer.from(`{"id":"${record.id}"}`);
  return { ...place, value, ...identify(Buffer.from(record.id), value, record.timestampMs, 'value') };
}

/** As the real log gives it: what does not pass comes without its value. */
function filtered(event: LogEvent, { kind }: MemoryRecord, filters: FilterSet | null): LogEvent {
  const headers = {
    some: (name: Buffer, holds: (value: Buffer) => boolean) =>
      name.toString() === 'kind' && kind !== undefined && holds(Buffer.from(kind)),
  };
  if (!filters || event.value === null || filters.passes(event.value, headers)) return event;
  return { ...event, value: null, isFiltered: true, eventId: '', identity: '', digest: '' };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
