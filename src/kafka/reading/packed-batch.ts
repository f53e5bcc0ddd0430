// An EventBatch on its way between two threads: the bytes of all events in a few buffers that change hands, the
// numbers in one table, so that a batch of hundreds of events costs one message and no copy. A structured clone
// of the events themselves costs more than reading them did.

import { identify } from '../../domain/identity.ts';
import type { IdentityMode } from '../../domain/job.ts';
import type { EventBatch, LogEvent } from '../../domain/log.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { RecordHit } from '../record-walk.ts';

export interface PackedBatch extends Omit<EventBatch, 'events' | 'source'> {
  /** COLUMNS numbers per event. */
  readonly table: Float64Array<ArrayBuffer>;
  readonly count: number;
  readonly chunks: readonly ArrayBuffer[];
}

/** offset, time, records walked before, chunk, place in it, length of the event id, length of the value or -1. */
const COLUMNS = 7;
/** An identity's characters (see domain/identity). */
const IDENTITY = 22;
const FIRST_ROWS = 32;
/** A view of an event's value keeps its whole chunk alive. */
const CHUNK_BYTES = 64 * 1024;
const SMALLEST_CHUNK = 4 * 1024;

/** Takes hits in and gives them out packed. */
export class Packer {
  readonly #identity: IdentityMode;
  #table = new Float64Array(FIRST_ROWS * COLUMNS);
  #chunks: ArrayBuffer[] = [];
  #chunk = Buffer.alloc(0);
  #used = 0;
  /** Chunks that fit are cheaper than large ones: most batches of a sparse key are small. */
  #nextChunk = SMALLEST_CHUNK;
  count = 0;
  /** Of values and ids. */
  bytes = 0;

  constructor(identity: IdentityMode) {
    this.#identity = identity;
  }

  /** `scannedBefore`: as LogEvent has it. */
  add(hit: RecordHit, scannedBefore: number): void {
    const { value, offset, timestampMs } = hit;
    const { eventId, identity } =
      value === null
        ? { eventId: '', identity: '' }
        : identify(hit.header, value, timestampMs, this.#identity);
    const needed = identity.length + eventId.length + (value?.length ?? 0);
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
    table[row + 5] = eventId.length;
    table[row + 6] = value?.length ?? -1;
    const chunk = this.#chunk;
    let at = this.#used;
    at += chunk.write(identity, at, 'latin1');
    at += chunk.write(eventId, at, 'latin1');
    if (value) value.copy(chunk, at);
    this.#used += needed;
    this.bytes += needed;
    this.count++;
  }

  /** All that was added; it begins anew. */
  take(): Pick<PackedBatch, 'table' | 'count' | 'chunks'> {
    const taken = { table: this.#table, count: this.count, chunks: this.#chunks };
    this.#nextChunk = Math.min(
      CHUNK_BYTES,
      Math.max(SMALLEST_CHUNK, 2 ** Math.ceil(Math.log2(this.bytes + 1))),
    );
    this.#table = new Float64Array(FIRST_ROWS * COLUMNS);
    this.#chunks = [];
    this.#chunk = Buffer.alloc(0);
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
export function handedOver({ table, chunks }: PackedBatch): ArrayBuffer[] {
  return [table.buffer, ...chunks];
}

export function unpack(packed: PackedBatch, source: SourceName, partition: number): EventBatch {
  const { table, count, chunks, ...rest } = packed;
  const buffers = chunks.map((chunk) => Buffer.from(chunk));
  const events: LogEvent[] = [];
  for (let row = 0; row < count * COLUMNS; row += COLUMNS) {
    const chunk = buffers[table[row + 3] as number];
    const idLength = table[row + 5] as number;
    const valueLength = table[row + 6] as number;
    const identityAt = table[row + 4] as number;
    const idAt = identityAt + IDENTITY;
    const valueAt = idAt + idLength;
    const isEvent = valueLength >= 0;
    events.push({
      source,
      partition,
      offset: table[row] as number,
      timestampMs: table[row + 1] as number,
      value: chunk && isEvent ? chunk.subarray(valueAt, valueAt + valueLength) : null,
      eventId: chunk && isEvent ? chunk.toString('latin1', idAt, valueAt) : '',
      identity: chunk && isEvent ? chunk.toString('latin1', identityAt, idAt) : '',
      scannedBefore: table[row + 2] as number,
    });
  }
  return { ...rest, source, events };
}
