// The header of a record batch v2, read lazily: base offset 0, length 8, leader epoch 12, magic 16, crc 17,
// attributes 21, last offset delta 23, base time 27, max time 35, producer 43, count 57, records 61.
// Nothing of it may be trusted before `hasValidCrc`; base offset, length and magic are outside the CRC.

import { crc32c } from '@node-rs/crc32';
import { readInt64 } from './int64.ts';

export const HEADER_BYTES = 61;
/** Bytes that every version of the format has up to its magic. */
const MAGIC_END = 17;
const LENGTH_END = 12;

export interface BatchHeader {
  /** Where the batch begins and ends in the buffer. */
  readonly at: number;
  readonly endAt: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly crc: number;
  readonly codec: number;
  /** The broker's own times were written over the producer's: the record times say nothing. */
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly count: number;
}

/** `cut`: the response ends inside it. `unreadable`: not a v2 batch, or a length that cannot be. */
export type BatchAt = BatchHeader | 'cut' | { readonly unreadable: true; readonly baseOffset: number };

export function batchAt(records: Buffer, at: number): BatchAt {
  if (at + MAGIC_END > records.length) return 'cut';
  const length = records.readInt32BE(at + 8);
  const baseOffset = readInt64(records, at);
  if (records.readInt8(at + 16) !== 2 || length < HEADER_BYTES - LENGTH_END) {
    return { unreadable: true, baseOffset };
  }
  const endAt = at + LENGTH_END + length;
  if (endAt > records.length) return 'cut';
  const attributes = records.readInt16BE(at + 21);
  const delta = records.readInt32BE(at + 23);
  return {
    at,
    endAt,
    baseOffset,
    lastOffset: baseOffset + delta,
    crc: records.readUInt32BE(at + 17),
    codec: attributes & 7,
    logAppendTime: (attributes & 8) !== 0,
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    baseTimestampMs: readInt64(records, at + 27),
    maxTimestampMs: readInt64(records, at + 35),
    producerId: readInt64(records, at + 43),
    count: records.readInt32BE(at + 57),
  };
}

export function isHeader(batch: BatchAt): batch is BatchHeader {
  return batch !== 'cut' && !('unreadable' in batch);
}

export function hasValidCrc(records: Buffer, batch: BatchHeader): boolean {
  return crc32c(records.subarray(batch.at + 21, batch.endAt)) === batch.crc;
}

/**
 * The offset after the last whole batch, without looking into any: where the next fetch begins. Lets the
 * network work while this response is scanned; the scan's own answer decides.
 */
export function offsetAfter(records: Buffer, from: number): number {
  let next = from;
  for (let at = 0; ;) {
    const batch = batchAt(records, at);
    if (!isHeader(batch)) return next;
    next = Math.max(next, batch.lastOffset + 1);
    at = batch.endAt;
  }
}
