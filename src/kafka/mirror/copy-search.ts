// Looks for one record in the copy, over many polls. Everything before the lookup by time is older than the record, so
// the search begins there and goes on from where the last poll stopped: nothing is read twice.
// Refuses: saying that the record will not come.

import { LATEST } from '../client.ts';
import type { KafkaConnection } from '../client.ts';
import { ERROR_CODES, Refusal } from '../error-codes.ts';
import { fetchCommitted, fingerprintOf, walkCommitted } from './committed-records.ts';
import type { Place } from './committed-records.ts';
import type { TailRecord } from './upstream-tail.ts';

/** So that the main loop, which delivers, is held for some ms at most. */
const FETCH_BYTES = 256 * 1024;

export class CopySearch {
  readonly #place: Place;
  readonly #wanted: TailRecord;
  #position: number | null = null;
  #isSeen = false;

  constructor(place: Place, wanted: TailRecord) {
    this.#place = place;
    this.#wanted = wanted;
  }

  /** Where the next poll reads on; null before the first. */
  get position(): number | null {
    return this.#position;
  }

  /** Whether it is there. Throws Refusal and what a connection throws. */
  async poll(connection: KafkaConnection, signal: AbortSignal): Promise<boolean> {
    if (this.#isSeen) return true;
    const { topic, partition } = this.#place;
    // The watermark first: a record that comes between the two questions must not be passed by.
    const { offset: watermark } = await connection.offsetAt(topic, partition, LATEST);
    if (this.#position !== null && this.#position > watermark) this.#position = null; // cut off, or another log
    if (this.#position === null) {
      const { offset } = await connection.offsetAt(topic, partition, Math.max(0, this.#wanted.timestampMs));
      this.#position = offset === -1 ? watermark : offset;
    }
    while (!this.#isSeen && this.#position < watermark) {
      signal.throwIfAborted();
      const next = await this.#read(connection, this.#position);
      if (next === this.#position) break; // an open transaction
      this.#position = next;
    }
    return this.#isSeen;
  }

  /** The next position. A batch that cannot be read is passed over: at worst the copy looks behind. */
  async #read(connection: KafkaConnection, position: number): Promise<number> {
    const response = await fetchCommitted(connection, this.#place, position, FETCH_BYTES).catch(
      (error: unknown) => {
        const isOutside = error instanceof Refusal && error.code === ERROR_CODES.offsetOutOfRange;
        if (isOutside) this.#position = null; // retention passed by: the next poll looks up anew
        throw error;
      },
    );
    const { next } = walkCommitted(response, position, (record) => {
      if (record.timestampMs !== this.#wanted.timestampMs) return;
      if (fingerprintOf(record) === this.#wanted.fingerprint) this.#isSeen = true;
    });
    response.release();
    return next;
  }
}
