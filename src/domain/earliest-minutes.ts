// The earliest event minute of each identity that a site holds: open addressing in typed arrays, 20 bytes a slot, at
// most 60 % full. Copies of an event may carry different times (each data centre stamps its own), so which minute an
// event belongs to must not depend on the order of reading: it is the earliest of them all.
// Split in 256 shards by the first byte, so that growing moves 1/256 of it.

import { isInRuns } from './minute-ledger.ts';
import type { Piece } from './job.ts';

const SHARDS = 256;
const WORDS = 5;
const MINUTE = 4;
const IDENTITY_BYTES = 16;
const FIRST_CAPACITY = 16;
const MAX_LOAD = 0.6;

class Shard {
  #capacity = FIRST_CAPACITY;
  #words = new Uint32Array(FIRST_CAPACITY * WORDS);
  #size = 0;

  /** The minute that was known, or null; keeps the earlier one. */
  put(a: number, b: number, c: number, d: number, minute: number): number | null {
    const at = this.#find(a, b, c, d);
    const words = this.#words;
    if (isFree(words, at)) {
      words.set([a, b, c, d, minute], at);
      if (++this.#size > this.#capacity * MAX_LOAD) this.#grow();
      return null;
    }
    const known = words[at + MINUTE] ?? 0;
    if (minute < known) words[at + MINUTE] = minute;
    return known;
  }

  *entries(): Generator<Uint32Array> {
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (!isFree(this.#words, at)) yield this.#words.subarray(at, at + WORDS);
    }
  }

  /** Where it is, or the free slot where it belongs. */
  #find(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const mask = this.#capacity - 1;
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (isFree(words, at)) return at;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at;
    }
  }

  #grow(): void {
    const entries = [...this.entries()];
    this.#capacity *= 2;
    this.#words = new Uint32Array(this.#capacity * WORDS);
    for (const entry of entries) {
      const [a = 0, b = 0, c = 0, d = 0] = entry;
      this.#words.set(entry, this.#find(a, b, c, d));
    }
  }
}

const isFree = (words: Uint32Array, at: number): boolean =>
  words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;

export class EarliestMinutes {
  readonly #shards: (Shard | undefined)[] = new Array<Shard | undefined>(SHARDS).fill(undefined);
  readonly #key = Buffer.alloc(IDENTITY_BYTES + 2);
  size = 0;

  /** The minute it was known with before, or null; `identity` is 22 base64url characters. */
  see(identity: string, minute: number): number | null {
    const key = this.#key;
    if (key.write(identity, 'base64url') !== IDENTITY_BYTES) {
      throw new Error('an identity is 22 base64url characters');
    }
    const shard = (this.#shards[key[0] ?? 0] ??= new Shard());
    const word = (n: number): number => key.readUInt32LE(4 * n);
    const known = shard.put(word(0), word(1), word(2), word(3), minute);
    if (known === null) this.size++;
    return known;
  }

  /** Identities whose earliest minute is in one of the runs. */
  *within(runs: readonly Piece[]): Generator<string> {
    const key = Buffer.alloc(IDENTITY_BYTES);
    for (const shard of this.#shards) {
      for (const entry of shard?.entries() ?? []) {
        if (!isInRuns(runs, entry[MINUTE] ?? 0)) continue;
        for (let n = 0; n < MINUTE; n++) key.writeUInt32LE(entry[n] ?? 0, 4 * n);
        yield key.toString('base64url');
      }
    }
  }
}
