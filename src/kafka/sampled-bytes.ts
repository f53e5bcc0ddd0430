// What an offset of one partition weighs, from a few samples: brokers tell offsets by time and sizes of whole logs, but
// not the bytes between two offsets without sending them. Bytes are those on the wire, as producers compressed them.
// An estimate: records of a kind that no sample meets are not in it. Refuses: reading much; three batches or 64 KiB each.

import { batchAt, isHeader } from './batch-header.ts';
import type { KafkaConnection } from './client.ts';

export interface SampledPiece {
  readonly topic: string;
  readonly partition: number;
  /** Offsets [start, end). */
  readonly start: number;
  readonly end: number;
}

const SAMPLES = 3;
const SAMPLE_BYTES = 64 * 1024;

/** Estimated bytes of the piece; 0 of an empty one, null when no sample could be read. */
export async function sampledBytes(connection: KafkaConnection, piece: SampledPiece): Promise<number | null> {
  const { start, end } = piece;
  if (end <= start) return 0;
  let bytes = 0;
  let offsets = 0;
  let next = start;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = Math.max(next, start + Math.floor(((end - start) * sample) / SAMPLES));
    if (at >= end) break;
    const seen = await sampleAt(connection, piece, at);
    bytes += seen.bytes;
    offsets += seen.offsets;
    next = seen.next;
  }
  return offsets === 0 ? null : Math.ceil((bytes / offsets) * (end - start));
}

async function sampleAt(
  connection: KafkaConnection,
  { topic, partition, end }: SampledPiece,
  offset: number,
) {
  const response = await connection.fetch({
    topic,
    partition,
    offset,
    maxBytes: SAMPLE_BYTES, // a larger first batch comes whole
    maxWaitMs: 0,
    isolation: 'uncommitted',
  });
  const seen = { bytes: 0, offsets: 0, next: offset };
  // A log that has lost this offset meanwhile has nothing to tell.
  if (response.errorCode === 0) {
    for (let at = 0; seen.next < end;) {
      const batch = batchAt(response.records, at);
      if (!isHeader(batch)) break;
      seen.bytes += batch.endAt - batch.at;
      seen.offsets += batch.lastOffset - batch.baseOffset + 1;
      seen.next = batch.lastOffset + 1;
      at = batch.endAt;
    }
  }
  response.release();
  return seen;
}
