// The scanner: one fetch response in, the records of the wanted keys given to `take`. All that can be wrong with a
// batch (checksum, codec, format) is a value, because what to do about it is the reader's law.
//
//   records: |batch|batch|batch|cut..     a batch is passed over undecoded when it is a control batch, aborted,
//                                         empty (compaction), or all of it is older than `from`.
//
// Never by its base time: deltas may be negative. Every offset below `next` was given, walked or passed
// over, or is below `start`. Offsets are never assumed to be contiguous.

import type { GapReason } from '../domain/job.ts';
import { isAbortMarker } from './aborted.ts';
import type { AbortedTransactions } from './aborted.ts';
import { batchAt, HEADER_BYTES, hasValidCrc, isHeader } from './batch-header.ts';
import type { BatchHeader } from './batch-header.ts';
import { CodecError, decompress, isKnownCodec } from './codecs.ts';
import { free } from './free.ts';
import { Malformed, walkRecords } from './record-walk.ts';
import type { Harvest, Wanted } from './record-walk.ts';
import type { TimeWatch } from './time-watch.ts';
import { WasmScanner } from './wasm-scanner.ts';

export interface ScanFault {
  /** The offsets that cannot be read, [from, to). */
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
}

export interface Scan {
  /** The next offset to read; at most `wanted.end`. */
  readonly next: number;
  /** Records walked or passed over, control records not. */
  readonly scanned: number;
  /** The batch at `next` cannot be read; nothing behind it was looked at. */
  readonly fault: ScanFault | null;
  /** Largest time of the last batch with records; null when there was none. */
  readonly lastTimestampMs: number | null;
  /** A batch carries the broker's times instead of the producers': this topic cannot be replayed by time. */
  readonly logAppendTime: boolean;
}

/** Reads a snappy batch faster than the readable way; false when it must be read that way. */
export type FastScanner = Pick<WasmScanner, 'add'>;

const SNAPPY = 2;
/** One for all readers of this thread: a scan is synchronous. */
const wasm = new WasmScanner();

interface Pass extends Harvest {
  readonly fast: FastScanner | null;
  next: number;
  lastTimestampMs: number | null;
  logAppendTime: boolean;
}

export function scanRecords(
  records: Buffer,
  wanted: Wanted,
  aborted: AbortedTransactions,
  watch: TimeWatch,
  take: Harvest['take'],
  fast: FastScanner | null = wasm,
): Scan {
  const pass: Pass = {
    fast,
    take,
    scanned: 0,
    next: wanted.start,
    lastTimestampMs: null,
    logAppendTime: false,
  };
  let fault: ScanFault | null = null;
  for (let at = 0; fault === null && pass.next < wanted.end;) {
    const batch = batchAt(records, at);
    if (batch === 'cut') break;
    // The base offset is outside the checksum, and a wrong one would jump over the rest of the range.
    const placed = batch.baseOffset < wanted.logEnd && (at === 0 || batch.baseOffset >= pass.next);
    const from = placed ? Math.max(pass.next, batch.baseOffset) : pass.next;
    if (!isHeader(batch)) {
      fault = { from, to: from + 1, reason: 'unreadable_batch' };
      break;
    }
    const reason = placed ? passBatch(records, batch, wanted, aborted, watch, pass) : 'unreadable_batch';
    if (reason !== null) fault = faultOf(records, batch, from, reason);
    else pass.next = Math.max(pass.next, Math.min(batch.lastOffset + 1, wanted.end));
    at = batch.endAt;
  }
  const { next, scanned, lastTimestampMs, logAppendTime } = pass;
  return { next, scanned, fault, lastTimestampMs, logAppendTime };
}

function passBatch(
  records: Buffer,
  batch: BatchHeader,
  wanted: Wanted,
  aborted: AbortedTransactions,
  watch: TimeWatch,
  pass: Pass,
): GapReason | null {
  if (!hasValidCrc(records, batch)) return 'crc_mismatch';
  const { baseOffset, lastOffset, count } = batch;
  // No broker sends a batch that ends before the offset asked for.
  if (lastOffset < baseOffset || lastOffset < wanted.start || lastOffset >= wanted.logEnd || count < 0) {
    return 'unreadable_batch';
  }
  const admitted = aborted.admits({
    lastOffset: batch.lastOffset,
    producerId: batch.producerId,
    transactional: batch.transactional,
    abortMarker: batch.control && isAbortMarker(records, batch),
  });
  if (batch.control || batch.count === 0) return null;
  if (batch.baseOffset >= wanted.end) return null;
  if (batch.logAppendTime) {
    pass.logAppendTime = true;
    return null;
  }
  pass.lastTimestampMs = batch.maxTimestampMs;
  if (!admitted || batch.maxTimestampMs < wanted.fromMs) {
    const inside = Math.min(batch.lastOffset + 1, wanted.end) - Math.max(batch.baseOffset, wanted.start);
    const records = Math.min(batch.count, inside);
    if (admitted) watch.skipped(batch.maxTimestampMs, records);
    pass.scanned += records;
    return null;
  }
  return decodeBatch(records, batch, wanted, watch, pass);
}

function decodeBatch(
  records: Buffer,
  batch: BatchHeader,
  wanted: Wanted,
  watch: TimeWatch,
  pass: Pass,
): GapReason | null {
  if (!isKnownCodec(batch.codec)) return 'unknown_codec';
  const stored = records.subarray(batch.at + HEADER_BYTES, batch.endAt);
  if (batch.codec === SNAPPY && pass.fast?.add(stored, batch, wanted, pass, watch)) return null;
  try {
    const payload = decompress(batch.codec, stored);
    walkRecords(payload, batch, wanted, pass, watch);
    if (payload !== stored) free(payload);
    return null;
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof CodecError)) throw error;
    // Half a batch is none: it becomes a gap, and a gap must not hold delivered events.
    return 'unreadable_batch';
  }
}

/**
 * Where a bad batch ends. Its own header may be what is damaged, so a following batch that is whole has the
 * first word; else one offset, or what the header says when its checksum was right.
 */
function faultOf(records: Buffer, batch: BatchHeader, from: number, reason: GapReason): ScanFault {
  const following = batchAt(records, batch.endAt);
  const proven = isHeader(following) && hasValidCrc(records, following) ? following.baseOffset : null;
  if (proven !== null && proven > from) return { from, to: proven, reason };
  return { from, to: Math.max(from + 1, batch.lastOffset + 1), reason };
}
