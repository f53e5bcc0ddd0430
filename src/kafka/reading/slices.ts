// Cuts a fetch response at batches, without looking into any: what is scanned in one go, and what is left of it.

import { batchAt, isHeader } from '../batch-header.ts';

/** What is scanned in one go at most, so that the thread answers within milliseconds: stored bytes and records. */
const SLICE_BYTES = 256 * 1024;
const SLICE_RECORDS = 4_000;

/** The first batches, as many as may be scanned in one go; at least one. */
export function firstSlice(records: Buffer): Buffer {
  let count = 0;
  for (let at = 0; ;) {
    const batch = batchAt(records, at);
    if (!isHeader(batch)) return records;
    count += Math.max(0, batch.count);
    at = batch.endAt;
    if (at >= SLICE_BYTES || count >= SLICE_RECORDS) return records.subarray(0, at);
  }
}

/** The records from the batch on that holds `offset`; empty when only a cut batch is left. */
export function restFrom(records: Buffer, offset: number): Buffer {
  for (let at = 0; ;) {
    const batch = batchAt(records, at);
    if (batch === 'cut') return records.subarray(records.length);
    if (!isHeader(batch) || batch.lastOffset >= offset) return records.subarray(at);
    at = batch.endAt;
  }
}
