// An EventBatch on its way between two threads: the values of all events in a few buffers that change hands, their
// ids in one, the numbers in a table, so that a batch of hundreds of events costs one message and no copy. A
// structured clone of the events themselves costs more than reading them did.

import { FilterSet } from '../../domain/event-filter.ts';
import { eventIdOf } from '../../domain/identity.ts';
import type { EventFilter, IdentityMode } from '../../domain/job.ts';
import type { EventBatch, LogEvent } from '../../domain/log.ts';
import type { SourceName } from '../../domain/ids.ts';
import { DIGEST, IDENTITY, Identities } from '../identities.ts';
import { RecordHeaders } from '../record-headers.ts';
import type { RecordHit } from '../record-walk.ts';

export interface PackedBatch extends Omit<EventBatch, 'events' | 'source'> {
  /** COLUMNS numbers per event. */
  readonly table: Float64Array<ArrayBuffer>;
  readonly count: number;
  /** The identity, the digest and the id of each event in turn, without a sign between them; of what has no value nothing. */
  readonly ids: Uint8Array<ArrayBuffer>;
  /** The values. */
  readonly chunks: readonly ArrayBuffer[];
}

/** offset, time, records walked before, chunk, place in it, length of the event id, length of the value or a sign below. */
const COLUMNS = 7;
/** In place of the length of a value. */
const TOMBSTONE = -1;
const FILTERED = -2;
const FIRST_ROWS = 32;
/** A view of an event's value keeps its whole chunk alive. */
const CHUNK_BYTES = 64 * 1024;
const SMALLEST_CHUNK = 4 * 1024;
const NOTHING = Buffer.alloc(0);
/** One for all packers of this thread. */
let identities: Identities | null = null;

/** Takes hits in and gives them out packed. */
export class Packer {
  readonly #identity: IdentityMode;
  readonly #filters: FilterSet | null;
  #table = new Float64Array(FIRST_ROWS * COLUMNS);
  #ids: string[] = [];
  #chunks: ArrayBuffer[] = [];
  #chunk = NOTHING;
  #used = 0;
  /** Chunks that fit are cheaper than large ones: most batches of a sparse key are small. */
  #nextChunk = SMALLEST_CHUNK;
  count = 0;
  /** Of values and ids. */
  bytes = 0;

  constructor(identity: IdentityMode, filters: readonly EventFilter[] = []) {
    this.#identity = identity;
    this.#filters = FilterSet.of(filters);
  }

  /** `scannedBefore`: as LogEvent has it. */
  add(hit: RecordHit, scannedBefore: number): void {
    const { offset, timestampMs } = hit;
    // What was not asked for goes on as its place alone: nobody downstream can take it for anything else.
    const isFiltered = this.#filters !== null && !this.#passes(this.#filters, hit);
    const value = isFiltered ? null : hit.value;
    const eventId = value && eventIdOf(hit.header, value, timestampMs, this.#identity);
    const needed = value?.length ?? 0;
    if (this.#used + needed > this.#chunk.length) this.#grow(needed);
    const row = this.count * COLUMNS;
    if (row === this.#table.length) {
      const wider = new Float64Array(2 * row);
      wider.set(this.#table);
      this.#table = wider;
    }
    const table = this.#table;
    table[row] = offset;
    table[row + 1] = timestampMs;
    table[row + 2] = scannedBefore;
    table[row + 3] = this.#chunks.length - 1;
    table[row + 4] = this.#used;
    table[row + 5] = eventId?.length ?? 0;
    table[row + 6] = value?.length ?? (isFiltered ? FILTERED : TOMBSTONE);
    if (value) this.#chunk.set(value, this.#used);
    this.#used += needed;
    this.bytes += needed;
    if (eventId !== null) {
      this.#ids.push(eventId);
      this.bytes += IDENTITY + DIGEST + eventId.length;
    }
    this.count++;
  }

  /** A tombstone is no event that could be left out. */
  #passes(filters: FilterSet, hit: RecordHit): boolean {
    return hit.value === null || filters.passes(hit.value, new RecordHeaders(hit));
  }

  /** All that was added; it begins anew. */
  take(): Pick<PackedBatch, 'table' | 'count' | 'ids' | 'chunks'> {
    identities ??= new Identities();
    const ids = identities.of(this.#ids);
    const taken = { table: this.#table, count: this.count, ids, chunks: this.#chunks };
    this.#nextChunk = Math.min(
      CHUNK_BYTES,
      Math.max(SMALLEST_CHUNK, 2 ** Math.ceil(Math.log2(this.bytes + 1))),
    );
    this.#table = new Float64Array(FIRST_ROWS * COLUMNS);
    this.#ids = [];
    this.#chunks = [];
    this.#chunk = NOTHING;
    this.#used = 0;
    this.count = 0;
    this.bytes = 0;
    return taken;
  }

  #grow(needed: number): void {
    const bytes = Math.max(needed, this.#nextChunk);
    this.#nextChunk = CHUNK_BYTES;
    // Not from Node's pool: it must be possible to hand it over.
    this.#chunk = Buffer.allocUnsafeSlow(bytes);
    this.#chunks.push(this.#chunk.buffer);
    this.#used = 0;
  }
}

/** What changes hands with a packed batch instead of being copied. */
export function handedOver({ table, ids, chunks }: PackedBatch): ArrayBuffer[] {
  return [table.buffer, ids.buffer, ...chunks];
}

const LEFT_OUT = { value: null, isFiltered: true, eventId: '', identity: '', digest: '' } as const;

const placeOf = (table: Float64Array, row: number) => ({
  offset: table[row] as number,
  timestampMs: table[row + 1] as number,
  scannedBefore: table[row + 2] as number,
});

export function unpack(packed: PackedBatch, source: SourceName, partition: number): EventBatch {
  const { table, count, ids, chunks, ...rest } = packed;
  const buffers = chunks.map((chunk) => Buffer.from(chunk));
  // Pieces of one text cost 15 ns each, texts of their own 60; a piece keeps the text of its batch alive, 50 KB.
  const text = Buffer.from(ids.buffer).toString('latin1');
  let at = 0;
  const events: LogEvent[] = [];
  for (let row = 0; row < count * COLUMNS; row += COLUMNS) {
    const chunk = buffers[table[row + 3] as number] ?? NOTHING;
    const valueAt = table[row + 4] as number;
    const length = table[row + 6] as number;
    if (length === FILTERED) {
      events.push({ ...placeOf(table, row), source, partition, ...LEFT_OUT });
      continue;
    }
    const isEvent = length >= 0;
    const digestAt = at + (isEvent ? IDENTITY : 0);
    const idAt = digestAt + (isEvent ? DIGEST : 0);
    const idEnd = idAt + (table[row + 5] as number);
    events.push({
      source,
      partition,
      offset: table[row] as number,
      timestampMs: table[row + 1] as number,
      value: isEvent ? chunk.subarray(valueAt, valueAt + length) : null,
      eventId: text.slice(idAt, idEnd),
      identity: text.slice(at, digestAt),
      digest: text.slice(digestAt, idAt),
      scannedBefore: table[row + 2] as number,
    });
    at = idEnd;
  }
  return { ...rest, source, events };
}
