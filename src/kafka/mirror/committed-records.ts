// What a reader of committed records sees of one fetch response: every data record of it, whatever its key, with
// its time and the bytes that a mirror keeps (key, value and headers). Control batches and aborted transactions are
// passed over. Readable TypeScript on purpose: a proof reads little, and must not share a mistake with the scanner.
//
// Owned here: what makes two records the same (`fingerprintOf`). Refuses: deciding what an unreadable batch means.

import { hash } from 'node:crypto';
import { AbortedTransactions, isAbortMarker } from '../aborted.ts';
import { HEADER_BYTES, batchAt, hasValidCrc, isHeader } from '../batch-header.ts';
import type { BatchHeader } from '../batch-header.ts';
import type { KafkaConnection } from '../client.ts';
import { CodecError, decompress, isKnownCodec } from '../codecs.ts';
import { Refusal } from '../error-codes.ts';
import { isThrottled } from '../fetch-protocol.ts';
import type { FetchResponse } from '../fetch-protocol.ts';
import { free } from '../free.ts';
import { Cursor, Malformed } from '../record-walk.ts';

/** One partition of one topic. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** For as long as `visit` runs: the bytes are views. */
export interface SeenRecord {
  readonly offset: number;
  readonly timestampMs: number;
  /** As it is encoded: key, value and headers with their lengths. */
  readonly body: Buffer;
}

export interface Walked {
  /** Offset of the first batch; it may begin before the offset that was asked for. Null without any. */
  readonly first: number | null;
  /** The next offset to read; the asked one when nothing came. */
  readonly next: number;
  /** The first batch that could not be read; it was passed over. */
  readonly fault: string | null;
}

/**
 * 128 bits over key, value and headers. Over their encoding, because all known producers write the lengths in the
 * shortest way and a mirror writes them anew: others would only make a copy look behind, never whole.
 */
export const fingerprintOf = ({ body }: SeenRecord): string => hash('sha256', body, 'base64url').slice(0, 22);

/** One response of committed records from `offset` on, without waiting for any. Release it. */
export async function fetchCommitted(
  connection: KafkaConnection,
  { topic, partition }: Place,
  offset: number,
  maxBytes: number,
): Promise<FetchResponse> {
  for (;;) {
    const response = await connection.fetch({
      topic,
      partition,
      offset,
      maxBytes,
      maxWaitMs: 0,
      isolation: 'committed',
    });
    if (response.errorCode > 0) throw new Refusal(response.errorCode);
    // The connection itself keeps quiet for as long as the broker asked.
    if (isThrottled(response)) continue;
    if (response.errorCode !== 0) throw new Refusal(response.errorCode);
    return response;
  }
}

/** Visits the records of whole batches in order, those before `from` in the first batch too. */
export function walkCommitted(
  response: FetchResponse,
  from: number,
  visit: (record: SeenRecord) => void,
): Walked {
  const { records } = response;
  const aborted = new AbortedTransactions(response.aborted);
  let first: number | null = null;
  let next = from;
  let fault: string | null = null;
  for (let at = 0; ;) {
    const batch = batchAt(records, at);
    if (batch === 'cut') break;
    if (!isHeader(batch) || !isPlaced(batch, next, response.highWatermark)) {
      fault ??= `a batch at offset ${next} cannot be read`;
      next++;
      break;
    }
    first ??= batch.baseOffset;
    if (!visitBatch(records, batch, aborted, visit)) {
      fault ??= `the batch at offset ${batch.baseOffset} cannot be read`;
    }
    next = batch.lastOffset + 1;
    at = batch.endAt;
  }
  return { first, next, fault };
}

/** Base offset and length are outside the checksum: what they say must fit to what was asked and what there is. */
function isPlaced(batch: BatchHeader, next: number, logEnd: number): boolean {
  return batch.lastOffset >= Math.max(next, batch.baseOffset) && batch.lastOffset < logEnd;
}

/** False when it cannot be read; then none of its records was visited. */
function visitBatch(
  records: Buffer,
  batch: BatchHeader,
  aborted: AbortedTransactions,
  visit: (record: SeenRecord) => void,
): boolean {
  if (!hasValidCrc(records, batch)) return false;
  const { lastOffset, producerId, transactional, control } = batch;
  const abortMarker = control && isAbortMarker(records, batch);
  const admitted = aborted.admits({ lastOffset, producerId, transactional, abortMarker });
  if (!admitted || control || batch.count === 0) return true;
  if (!isKnownCodec(batch.codec)) return false;
  const stored = records.subarray(batch.at + HEADER_BYTES, batch.endAt);
  try {
    const payload = decompress(batch.codec, stored);
    for (const record of recordsOf(payload, batch)) visit(record);
    if (payload !== stored) free(payload);
    return true;
  } catch (error) {
    if (error instanceof Malformed || error instanceof CodecError) return false;
    throw error;
  }
}

function recordsOf(payload: Buffer, batch: BatchHeader): SeenRecord[] {
  const cursor = new Cursor(payload);
  const found: SeenRecord[] = [];
  for (let i = 0; i < batch.count; i++) {
    const length = cursor.varint();
    const start = cursor.skip(length, payload.length);
    const end = cursor.pos;
    cursor.pos = start + 1; // no attribute of a record is in use
    const timestampMs = batch.baseTimestampMs + cursor.varlong();
    const offset = batch.baseOffset + cursor.varint();
    if (cursor.pos > end) throw new Malformed('record is not as long as it says');
    found.push({ offset, timestampMs, body: payload.subarray(cursor.pos, end) });
    cursor.pos = end;
  }
  if (cursor.pos !== payload.length) throw new Malformed('more bytes than records');
  return found;
}
