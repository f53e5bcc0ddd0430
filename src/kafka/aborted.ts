// Which transactional batches of one fetch response are void. The broker names the aborted transactions that
// overlap the response as (producer, first offset); an aborted one lasts from its first offset to the abort
// marker of the same producer. Order of the calls is order of the log: `admits` once per batch, rising offsets.

import { HEADER_BYTES } from './batch-header.ts';
import type { BatchHeader } from './batch-header.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface TransactionalBatch {
  readonly lastOffset: number;
  readonly producerId: number;
  readonly transactional: boolean;
  /** Whether the batch is a control batch that ends its producer's transaction as aborted. */
  readonly abortMarker: boolean;
}

export class AbortedTransactions {
  readonly #coming: AbortedTransaction[];
  readonly #open = new Set<number>();
  #at = 0;

  constructor(named: readonly AbortedTransaction[]) {
    this.#coming = named.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether the batch's records count; call it for every batch, control batches included. */
  admits(batch: TransactionalBatch): boolean {
    for (;;) {
      const next = this.#coming[this.#at];
      if (next === undefined || next.firstOffset > batch.lastOffset) break;
      this.#open.add(next.producerId);
      this.#at++;
    }
    if (batch.abortMarker) {
      this.#open.delete(batch.producerId);
      return true;
    }
    return !(batch.transactional && this.#open.has(batch.producerId));
  }
}

/** Control records have a key of version (int16) and type (int16); type 0 aborts, 1 commits. */
export function isAbortMarker(records: Buffer, batch: BatchHeader): boolean {
  // length, attributes, time delta, offset delta, key length: the broker writes the first record with one- to
  // ten-byte varints; the key is found by walking them.
  let at = batch.at + HEADER_BYTES;
  const end = batch.endAt;
  const skipVarint = (): void => {
    while (at < end && (records[at] ?? 0) >= 0x80) at++;
    at++;
  };
  skipVarint();
  at++;
  skipVarint();
  skipVarint();
  skipVarint();
  return at + 4 <= end && records.readInt16BE(at + 2) === 0;
}
