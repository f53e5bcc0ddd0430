// Which record of the upstream, once it is seen in the copy, proves that the copy has everything up to `end`.
//
//   upstream   a  b  b  c  c' b'        ' = the same record again (time, key, value, headers): a producer's retry
//                       ^ seen => a, b and c are there; what follows are repetitions of them
//
// A mirror keeps the order, so a copy that holds a record holds all before it. It must be the last record that is *not*
// a repetition: a repetition cannot be told from its earlier twin, and the copy may hold only that one. What follows
// it only repeats, which dedupe would drop. Twins have equal times, so the lookup by time says how far back one can be.
//
// Left open: a twin more than MAX_BYTES of log before the end is not found; seen in the copy it would be taken for the
// last record. That takes a retry later than 64 MiB of its partition, and a mirror that stands between the two.
// Left open too: what a mirror itself skipped (its upstream's retention overtook it).

import type { KafkaConnection } from '../client.ts';
import { EARLIEST } from '../client.ts';
import { fetchCommitted } from './committed-records.ts';
import type { Place } from './committed-records.ts';
import { UpstreamTail } from './upstream-tail.ts';
import type { TailRecord } from './upstream-tail.ts';

/** Of log that is read to find it. */
export const MAX_BYTES = 64 * 1024 * 1024;

export type LastRecord =
  | ({ readonly found: 'record' } & TailRecord)
  /** Nothing committed is left below the end. */
  | { readonly found: 'none' }
  /** A transaction began below the end and has not ended. */
  | { readonly found: 'open_transaction'; readonly lastStable: number }
  | { readonly found: 'unknown'; readonly why: string };

/** Throws Refusal, Unreadable and what a connection throws. `end` is at most the high watermark. */
export async function findLastRecord(
  connection: KafkaConnection,
  place: Place,
  end: number,
  signal: AbortSignal,
): Promise<LastRecord> {
  const { offset: earliest } = await connection.offsetAt(place.topic, place.partition, EARLIEST);
  if (earliest >= end) return { found: 'none' };
  const probe = await fetchCommitted(connection, place, end - 1, 1);
  const { lastStableOffset: lastStable } = probe;
  probe.release();
  if (lastStable < end) return { found: 'open_transaction', lastStable };
  const tail = new UpstreamTail(connection, place, end);
  while (tail.records.length === 0) {
    if (tail.from <= earliest) return { found: 'none' };
    if (tail.bytes >= MAX_BYTES) {
      return { found: 'unknown', why: `no committed record in the last ${tail.bytes} bytes of the upstream` };
    }
    await tail.extend(earliest, signal);
  }
  return { found: 'record', ...(await lastNew(connection, place, tail, signal)) };
}

async function lastNew(
  connection: KafkaConnection,
  { topic, partition }: Place,
  tail: UpstreamTail,
  signal: AbortSignal,
): Promise<TailRecord> {
  let index = tail.records.length - 1;
  const floors = new Map<number, number>();
  const floorOf = async (timestampMs: number): Promise<number> => {
    const known = floors.get(timestampMs);
    if (known !== undefined) return known;
    const { offset } = await connection.offsetAt(topic, partition, Math.max(0, timestampMs));
    floors.set(timestampMs, offset);
    return offset;
  };
  for (;;) {
    const record = tail.records[index];
    if (!record) throw new Error('every record repeats an earlier one');
    if (hasTwinBefore(tail.records, index)) {
      index--;
      continue;
    }
    const floor = await floorOf(record.timestampMs);
    if (floor === -1 || tail.from <= floor || tail.bytes >= MAX_BYTES) return record;
    index += await tail.extend(floor, signal);
  }
}

/** From the near end: repetitions mostly follow soon. */
export function hasTwinBefore(records: readonly TailRecord[], index: number): boolean {
  const record = records[index];
  for (let i = index - 1; i >= 0; i--) {
    const other = records[i];
    if (other?.timestampMs === record?.timestampMs && other?.fingerprint === record?.fingerprint) return true;
  }
  return false;
}
