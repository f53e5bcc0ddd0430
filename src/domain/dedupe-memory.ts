// Which identities were seen: a set of 128-bit values in typed arrays (open addressing, at most 60 % full),
// 26.8 bytes an entry where a Set<string> takes 66-82 and throws at 16.7 million.
// Split in 256 shards by the first byte, so that growing rehashes 1/256 of it: no pause of the event loop.
// Bounded by two generations: when the younger is full it becomes the older, and what the older held is
// forgotten and counted; a Map that evicts its oldest key costs 100 times as much.

const SHARDS = 256;
const WORDS = 4;
const FIRST_CAPACITY = 16;
const MAX_LOAD = 0.6;

class Shard {
  #capacity = FIRST_CAPACITY;
  #words = new Int32Array(FIRST_CAPACITY * WORDS);
  #size = 0;

  /** True when it was not there; `insert` false only looks. */
  put(a: number, b: number, c: number, d: number, insert: boolean): boolean {
    const slot = this.#find(a, b, c, d);
    if (slot < 0) return false;
    if (!insert) return true;
    this.#write(slot, a, b, c, d);
    if (++this.#size > this.#capacity * MAX_LOAD) this.#grow();
    return true;
  }

  /** The free slot where it belongs, or -1 when it is there. */
  #find(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const mask = this.#capacity - 1;
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      const first = words[at];
      if (first === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0) return slot;
      if (first === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return -1;
    }
  }

  #write(slot: number, a: number, b: number, c: number, d: number): void {
    const at = slot * WORDS;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
  }

  #grow(): void {
    const old = this.#words;
    this.#capacity *= 2;
    this.#words = new Int32Array(this.#capacity * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      // Not by `subarray` and destructuring: a view and an iterator per entry took 0.06 us of each event.
      const [a, b, c, d] = [old[at] ?? 0, old[at + 1] ?? 0, old[at + 2] ?? 0, old[at + 3] ?? 0];
      if (a !== 0 || b !== 0 || c !== 0 || d !== 0) this.#write(this.#find(a, b, c, d), a, b, c, d);
    }
  }
}

class Generation {
  readonly #shards: (Shard | undefined)[] = new Array<Shard | undefined>(SHARDS).fill(undefined);
  size = 0;

  put(words: Int32Array, insert: boolean): boolean {
    const index = (words[0] ?? 0) & (SHARDS - 1);
    let shard = this.#shards[index];
    if (!shard) {
      if (!insert) return true;
      shard = this.#shards[index] = new Shard();
    }
    const [a, b, c, d] = [words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0];
    // The empty slot is all zeros; the one identity that equals it becomes another (2^-128 of them do).
    const isNew = shard.put(a, b, c, d === 0 ? 1 : d, insert);
    if (isNew && insert) this.size++;
    return isNew;
  }
}

export class DedupeMemory {
  readonly #perGeneration: number;
  /** 22 characters decode to 16 bytes, and what is longer must be seen. */
  readonly #key = Buffer.alloc(18);
  /** Signed: a number of 32 bits without a sign is an object to V8 where it is above 2^31. */
  readonly #words = new Int32Array(this.#key.buffer, this.#key.byteOffset, WORDS);
  #young = new Generation();
  #old: Generation | null = null;
  #evicted = 0;

  /** `maxEntries`: identities kept at most; between half of it and all of it are remembered once it is full. */
  constructor(maxEntries: number) {
    this.#perGeneration = Math.max(1, Math.floor(maxEntries / 2));
  }

  /** Remembers `identity` (22 base64url characters); false when it is remembered already. */
  add(identity: string): boolean {
    const words = this.#decode(identity);
    if (this.#old && !this.#old.put(words, false)) return false;
    if (!this.#young.put(words, true)) return false;
    if (this.#young.size >= this.#perGeneration) this.#turn();
    return true;
  }

  has(identity: string): boolean {
    const words = this.#decode(identity);
    return !this.#young.put(words, false) || (this.#old !== null && !this.#old.put(words, false));
  }

  get size(): number {
    return this.#young.size + (this.#old?.size ?? 0);
  }

  /** Identities forgotten so far because of the bound. */
  get evicted(): number {
    return this.#evicted;
  }

  #turn(): void {
    this.#evicted += this.#old?.size ?? 0;
    this.#old = this.#young;
    this.#young = new Generation();
  }

  #decode(identity: string): Int32Array {
    const written = this.#key.write(identity, 'base64url');
    if (written !== 16) throw new Error('an identity is 22 base64url characters');
    return this.#words;
  }
}
