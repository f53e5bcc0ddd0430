// Keeps what a scan gives, as a reader must: copies, made while they are given, because the bytes are the scanner's.

import type { AbortedTransactions } from '../../../src/kafka/aborted.ts';
import { scanRecords } from '../../../src/kafka/record-scanner.ts';
import type { FastScanner, Scan } from '../../../src/kafka/record-scanner.ts';
import { Cursor } from '../../../src/kafka/record-walk.ts';
import type { Harvest, RecordHit, Wanted } from '../../../src/kafka/record-walk.ts';
import type { TimeWatch } from '../../../src/kafka/time-watch.ts';

const copyOf = (bytes: Buffer | null): Buffer | null => bytes && Buffer.from(bytes);

/** The headers alone, with their count. */
function headersOf({ bytes, headersAt }: RecordHit): Buffer {
  const cursor = new Cursor(bytes);
  cursor.pos = headersAt;
  for (let left = cursor.varint(); left > 0; left--) {
    cursor.skip(cursor.varint(), cursor.end);
    cursor.skip(Math.max(0, cursor.varint()), cursor.end);
  }
  return Buffer.from(bytes.subarray(headersAt, cursor.pos));
}

export function keepIn(hits: RecordHit[]): Harvest['take'] {
  return (hit) => {
    const kept = { value: copyOf(hit.value), header: copyOf(hit.header) };
    hits.push({ ...hit, ...kept, bytes: headersOf(hit), headersAt: 0 });
  };
}

/** A scan with all that it gave. */
export function scanKept(
  records: Buffer,
  wanted: Wanted,
  aborted: AbortedTransactions,
  watch: TimeWatch,
  fast?: FastScanner | null,
): Scan & { readonly hits: RecordHit[] } {
  const hits: RecordHit[] = [];
  return { ...scanRecords(records, wanted, aborted, watch, keepIn(hits), fast), hits };
}
