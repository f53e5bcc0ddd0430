// The last committed records of an upstream partition, read backwards piece by piece: Kafka only reads forwards, so
// a piece begins some offsets below what is known and is read up to it. Owned: how large the next piece is, and what
// all of it may cost. Invariant: every committed record in [from, end) is held, in order, and none of it is fetched
// twice but for the batch that a piece begins in.

import type { KafkaConnection } from '../client.ts';
import { fetchCommitted, fingerprintOf, walkCommitted } from './committed-records.ts';
import type { Place } from './committed-records.ts';

const MIB = 1024 * 1024;
/** So that the main loop, which delivers, is held for some ms at most. */
const FETCH_BYTES = MIB / 4;
/** About so much log is one piece; the first is one batch, each next at most eight times the offsets. */
const PIECE_BYTES = 4 * MIB;
const GROWTH = 8;

/** The log cannot be read: asking again will not help. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

export interface TailRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly fingerprint: string;
}

export class UpstreamTail {
  readonly #connection: KafkaConnection;
  readonly #place: Place;
  readonly #end: number;
  #records: readonly TailRecord[] = [];
  #from: number;
  #step = 1;
  #bytes = 0;

  /** `end` is at most the last stable offset. */
  constructor(connection: KafkaConnection, place: Place, end: number) {
    this.#connection = connection;
    this.#place = place;
    this.#end = end;
    this.#from = end;
  }

  /** Oldest first. */
  get records(): readonly TailRecord[] {
    return this.#records;
  }

  get from(): number {
    return this.#from;
  }

  /** Of log that was read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Reads a piece more, not far below `floor`; how many records came in front. Throws Unreadable. */
  async extend(floor: number, signal: AbortSignal): Promise<number> {
    const start = Math.max(floor, this.#from - this.#step);
    const piece: TailRecord[] = [];
    let lowest = start;
    for (let at = start; at < this.#from;) {
      signal.throwIfAborted();
      const response = await fetchCommitted(this.#connection, this.#place, at, FETCH_BYTES);
      this.#bytes += response.records.length;
      const walked = walkCommitted(response, at, (record) => {
        const { offset, timestampMs } = record;
        if (offset < this.#from) piece.push({ offset, timestampMs, fingerprint: fingerprintOf(record) });
      });
      response.release();
      if (walked.fault !== null) throw new Unreadable(walked.fault);
      if (walked.next === at) throw new Error(`the broker sends no records from offset ${at} on`);
      if (at === start) lowest = Math.min(start, walked.first ?? start);
      at = walked.next;
    }
    this.#records = [...piece, ...this.#records];
    this.#from = lowest;
    const perOffset = this.#bytes / (this.#end - lowest);
    this.#step = Math.max(1, Math.min(this.#step * GROWTH, Math.floor(PIECE_BYTES / Math.max(1, perOffset))));
    return piece.length;
  }
}
