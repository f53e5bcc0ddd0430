// Walks the records of one decompressed batch and gives those of the wanted keys in a range. No object is made for a
// record that is not wanted: varints are read in place, a foreign record is jumped over by its length.
// Invariant: never reads outside the payload, whatever the lengths in it claim; a batch that is not exactly its
// declared records is Malformed as a whole.

import type { BatchHeader } from './batch-header.ts';
import type { KeySet } from './key-set.ts';
import type { TimeWatch } from './time-watch.ts';

const EVENT_ID = Buffer.from('event-id');

export interface Wanted {
  readonly keys: KeySet;
  readonly fromMs: number;
  readonly toMs: number;
  /** Offsets [start, end). */
  readonly start: number;
  readonly end: number;
  /** No offset of the log is at or past it: an offset in a batch's header that is, is damage. */
  readonly logEnd: number;
}

/** Its bytes are views of the scanner's memory: only for as long as `take` runs, who keeps them makes copies. */
export interface RecordHit {
  /** Index in the wanted keys. */
  readonly key: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: Buffer | null;
  /** The last `event-id` header's bytes. */
  readonly header: Buffer | null;
  /** What the record lies in, and where in it its headers begin, with their count: for RecordHeaders. */
  readonly bytes: Buffer;
  readonly headersAt: number;
  readonly scannedBefore: number;
}

/** What a walk adds to. */
export interface Harvest {
  /** Gets each wanted record of a batch, in order, when all of the batch is known to be whole. */
  readonly take: (hit: RecordHit) => void;
  scanned: number;
}

export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export class Cursor {
  readonly bytes: Buffer;
  readonly end: number;
  pos = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  byte(): number {
    if (this.pos >= this.end) throw new Malformed('record is cut');
    return this.bytes[this.pos++] as number;
  }

  /** A zigzag varint of at most 32 bits. */
  varint(): number {
    const first = this.byte();
    let raw = first & 0x7f;
    if (first >= 0x80) {
      for (let shift = 7; ; shift += 7) {
        if (shift > 28) throw new Malformed('varint is too long');
        const next = this.byte();
        raw |= (next & 0x7f) << shift;
        if (next < 0x80) break;
      }
    }
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** A zigzag varlong; exact below 2^53, which times are. */
  varlong(): number {
    let raw = 0;
    let scale = 1;
    for (let count = 0; ; count++) {
      if (count > 9) throw new Malformed('varlong is too long');
      const next = this.byte();
      raw += (next & 0x7f) * scale;
      if (next < 0x80) break;
      scale *= 128;
    }
    return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
  }

  /** Moves `length` on and says where that began. */
  skip(length: number, limit: number): number {
    const start = this.pos;
    if (length < 0 || length > limit - start) throw new Malformed('length out of range');
    this.pos = start + length;
    return start;
  }
}

/** Adds the wanted records of `payload`; throws Malformed, then nothing was added. */
export function walkRecords(
  payload: Buffer,
  batch: BatchHeader,
  wanted: Wanted,
  harvest: Harvest,
  watch: TimeWatch,
): void {
  const cursor = new Cursor(payload);
  const { keys, fromMs, toMs, start, end } = wanted;
  const span = batch.lastOffset - batch.baseOffset;
  const hits: RecordHit[] = [];
  let minMs = Infinity;
  let { newestMs, disorderMs } = watch;
  let walked = 0;
  for (let i = 0; i < batch.count; i++) {
    const length = cursor.varint();
    const recordEnd = cursor.pos + length;
    if (length < 6 || recordEnd > payload.length) throw new Malformed('record length out of range');
    cursor.pos++;
    const timestampMs = batch.baseTimestampMs + cursor.varlong();
    const delta = cursor.varint();
    if (delta < 0 || delta > span) throw new Malformed('offset outside its batch');
    const offset = batch.baseOffset + delta;
    if (offset >= start && offset < end) {
      walked++;
      if (timestampMs > newestMs) newestMs = timestampMs;
      else if (newestMs - timestampMs > disorderMs) disorderMs = newestMs - timestampMs;
      if (timestampMs < minMs) minMs = timestampMs;
      if (timestampMs >= fromMs && timestampMs < toMs) {
        const key = keyAt(cursor, keys, recordEnd);
        if (key >= 0) {
          hits.push(hitAt(cursor, recordEnd, key, offset, timestampMs, harvest.scanned + walked));
        }
      }
    }
    cursor.pos = recordEnd;
  }
  if (cursor.pos !== payload.length) throw new Malformed('more bytes than records');
  for (const hit of hits) harvest.take(hit);
  harvest.scanned += walked;
  watch.newestMs = newestMs;
  watch.disorderMs = disorderMs;
  if (walked > 0) watch.batch(minMs, walked);
}

/** Which wanted key the record has, or -1; leaves the cursor behind it. */
function keyAt(cursor: Cursor, keys: KeySet, recordEnd: number): number {
  const length = cursor.varint();
  return length < 0 ? -1 : keys.find(cursor.bytes, cursor.skip(length, recordEnd), length);
}

function hitAt(
  cursor: Cursor,
  recordEnd: number,
  key: number,
  offset: number,
  timestampMs: number,
  scannedBefore: number,
): RecordHit {
  const { bytes } = cursor;
  const length = cursor.varint();
  const at = length < 0 ? 0 : cursor.skip(length, recordEnd);
  const value = length < 0 ? null : bytes.subarray(at, at + length);
  let header: Buffer | null = null;
  const headersAt = cursor.pos;
  const headers = cursor.varint();
  for (let i = 0; i < headers; i++) {
    const nameLength = cursor.varint();
    const nameAt = cursor.skip(nameLength, recordEnd);
    const named = EVENT_ID.equals(bytes.subarray(nameAt, nameAt + nameLength));
    const idLength = cursor.varint();
    const idAt = idLength < 0 ? 0 : cursor.skip(idLength, recordEnd);
    if (named) header = idLength < 0 ? null : bytes.subarray(idAt, idAt + idLength);
  }
  if (cursor.pos !== recordEnd) throw new Malformed('record is not as long as it says');
  return { key, offset, timestampMs, value, header, bytes, headersAt, scannedBefore };
}
