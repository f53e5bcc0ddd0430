// The keys of a scan, in the caller's order; a hit names its key by the index. One for each job that reads the
// partition: with one key it is a comparison per record, with many a look-up that does not depend on how many.

export class KeySet {
  readonly keys: readonly Buffer[];
  readonly #only: Buffer | undefined;
  readonly #byText: ReadonlyMap<string, number>;
  readonly #lengths: ReadonlySet<number>;

  /** Of equal keys the first one is found. */
  constructor(keys: readonly Buffer[]) {
    this.keys = keys;
    this.#only = keys.length === 1 ? keys[0] : undefined;
    this.#byText = new Map(keys.map((key, index) => [key.toString('latin1'), index] as const).reverse());
    this.#lengths = new Set(keys.map((key) => key.length));
  }

  /** The index of the key that bytes[at, at + length) are, or -1. */
  find(bytes: Buffer, at: number, length: number): number {
    const only = this.#only;
    if (only === undefined) {
      return this.#lengths.has(length)
        ? (this.#byText.get(bytes.toString('latin1', at, at + length)) ?? -1)
        : -1;
    }
    if (length !== only.length) return -1;
    // From the end: ids of one time begin alike.
    for (let i = length - 1; i >= 0; i--) if (bytes[at + i] !== only[i]) return -1;
    return 0;
  }
}
