// The fast way through a snappy batch: decoded and walked by WebAssembly in one memory that is used again for
// each batch, so that V8 sees the wanted records only. Says no where it does not know better: a batch that it
// finds malformed, or that is too large for its memory, is for the readable scanner (record-walk.ts), which has
// the last word. Invariant: adds all of a batch to the harvest and the watch, or nothing.

import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { wasmExports } from '../domain/wasm-instance.ts';
import type { Place } from '../domain/wasm-instance.ts';
import type { BatchHeader } from './batch-header.ts';
import type { KeySet } from './key-set.ts';
import type { Harvest, RecordHit, Wanted } from './record-walk.ts';
import type { TimeWatch } from './time-watch.ts';

/** Built of the AssemblyScript beside it by `npm run generate`. */
const MODULE = new URL('./wasm/scanner.wasm', import.meta.url);
/** What `scan` and `walk` answer: see wasm/walk.ts. */
const DONE = 0;
const FULL = 1;
const HIT_WORDS = 10;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly STATE: Place;
  readonly HITS: Place;
  readonly MAX_HITS: Place;
  readonly KEY_BYTES: Place;
  readonly MAX_KEYS: Place;
  readonly MAX_KEY_BYTES: Place;
  readonly INPUT: Place;
  readonly MAX_INPUT: Place;
  readonly OUTPUT: Place;
  readonly MAX_OUTPUT: Place;
  readonly MEMORY_END: Place;
  unsnap(length: number): number;
  scan(length: number, count: number): number;
  walk(): number;
  hitCount(): number;
  walkedCount(): number;
  clearKeys(seed: number): void;
  addKey(at: number, length: number): void;
}

export class WasmScanner {
  readonly exports: Exports;
  /** All of its memory, which neither grows nor moves. */
  readonly memory: Buffer;
  readonly #input: number;
  readonly #maxInput: number;
  readonly #state: Float64Array;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  #keys: KeySet | null = null;

  constructor() {
    this.exports = wasmExports(readFileSync(MODULE)) as Exports;
    const { memory, STATE, HITS, MAX_HITS, INPUT, MAX_INPUT } = this.exports;
    this.memory = Buffer.from(memory.buffer);
    this.#input = INPUT.value;
    this.#maxInput = MAX_INPUT.value;
    this.#state = new Float64Array(memory.buffer, STATE.value, 10);
    this.#words = new Int32Array(memory.buffer, HITS.value, MAX_HITS.value * HIT_WORDS);
    this.#times = new Float64Array(memory.buffer, HITS.value, (MAX_HITS.value * HIT_WORDS) / 2);
  }

  /** Adds the wanted records of a snappy batch; false: nothing was added, it must be read the other way. */
  add(stored: Buffer, batch: BatchHeader, wanted: Wanted, harvest: Harvest, watch: TimeWatch): boolean {
    if (stored.length > this.#maxInput || !this.#takeKeys(wanted.keys)) return false;
    const { baseOffset, lastOffset, baseTimestampMs } = batch;
    const state = this.#state;
    // As wasm/layout.ts has them.
    state[0] = wanted.fromMs;
    state[1] = wanted.toMs;
    state[2] = wanted.start;
    state[3] = wanted.end;
    state[4] = baseOffset;
    state[5] = lastOffset - baseOffset;
    state[6] = baseTimestampMs;
    state[7] = watch.newestMs;
    state[8] = watch.disorderMs;
    stored.copy(this.memory, this.#input);
    let status = this.exports.scan(stored.length, batch.count);
    // Nothing is given before the batch is known to be whole; its bytes stay where they are while it is walked.
    const { scanned } = harvest;
    const found: RecordHit[] = [];
    for (; status === FULL; status = this.exports.walk()) {
      this.#each(baseOffset, scanned, (hit) => found.push(hit));
    }
    if (status !== DONE) return false;
    for (const hit of found) harvest.take(hit);
    this.#each(baseOffset, scanned, harvest.take);
    const walked = this.exports.walkedCount();
    const [newestMs = 0, disorderMs = 0, minMs = 0] = state.subarray(7);
    harvest.scanned += walked;
    watch.newestMs = newestMs;
    watch.disorderMs = disorderMs;
    if (walked > 0) watch.batch(minMs, walked);
    return true;
  }

  /** What a walk has found, as views of this memory. A hit is ten words, as wasm/walk.ts has them. */
  #each(baseOffset: number, scanned: number, take: Harvest['take']): void {
    const words = this.#words;
    const { memory } = this;
    const end = this.exports.hitCount() * HIT_WORDS;
    for (let at = 0; at < end; at += HIT_WORDS) {
      const value = words[at + 4] as number;
      const length = words[at + 5] as number;
      const header = words[at + 6] as number;
      const headerLength = words[at + 7] as number;
      take({
        key: words[at + 3] as number,
        offset: baseOffset + (words[at + 2] as number),
        timestampMs: this.#times[at / 2] as number,
        value: length < 0 ? null : memory.subarray(value, value + length),
        header: headerLength < 0 ? null : memory.subarray(header, header + headerLength),
        bytes: memory,
        headersAt: length < 0 ? value : value + length,
        scannedBefore: scanned + (words[at + 8] as number),
      });
    }
  }

  /** Whether they fit. Readers with other keys use the same memory in turn. */
  #takeKeys(set: KeySet): boolean {
    if (this.#keys === set) return true;
    const { keys } = set;
    const { MAX_KEYS, MAX_KEY_BYTES, KEY_BYTES } = this.exports;
    const bytes = keys.reduce((sum, key) => sum + key.length, 0);
    if (keys.length === 0 || keys.length > MAX_KEYS.value || bytes > MAX_KEY_BYTES.value) return false;
    this.exports.clearKeys(randomInt(2 ** 31));
    let at = KEY_BYTES.value;
    for (const key of keys) {
      key.copy(this.memory, at);
      this.exports.addKey(at, key.length);
      at += key.length;
    }
    this.#keys = set;
    return true;
  }
}
