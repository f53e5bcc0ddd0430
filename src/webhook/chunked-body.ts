// Where a chunked body ends (RFC 9112, 7.1). Refuses everything but plain chunks: a bare line feed, a size that is none.
// Invariant: its end is found whatever pieces it comes in, and nothing of it is kept.

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const ZERO = 0x30;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_END = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const TRAILER_TEXT = 7;
const TRAILER_LF = 8;
const OVER_LF = 9;
const OVER = 10;
/** More is no size of a chunk that anybody sends. */
const MAX_DIGITS = 8;

/** Walks over a chunked body to its end. */
export class Chunks {
  #state = SIZE;
  #digits = 0;
  #left = 0;
  #isLast = false;

  get isOver(): boolean {
    return this.#state === OVER;
  }

  /** Behind what was walked over, at most `size`; -1 when it is malformed. */
  take(bytes: Buffer, from: number, size: number): number {
    let at = from;
    while (at < size && this.#state !== OVER) {
      if (this.#state === DATA) {
        const skipped = Math.min(this.#left, size - at);
        at += skipped;
        this.#left -= skipped;
        if (this.#left === 0) this.#state = DATA_CR;
      } else if (!this.#step(bytes[at++] ?? 0)) return -1;
    }
    return at;
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE:
        return this.#sizeByte(byte);
      case EXTENSION:
        if (byte === CR) this.#state = SIZE_END;
        return byte !== LF;
      case SIZE_END:
        this.#isLast = this.#left === 0;
        this.#digits = 0;
        this.#state = this.#isLast ? TRAILER : DATA;
        return byte === LF;
      case DATA_CR:
        this.#state = DATA_LF;
        return byte === CR;
      case DATA_LF:
        this.#state = SIZE;
        return byte === LF;
      case TRAILER:
        this.#state = byte === CR ? OVER_LF : TRAILER_TEXT;
        return byte !== LF;
      case TRAILER_TEXT:
        if (byte === CR) this.#state = TRAILER_LF;
        return byte !== LF;
      case TRAILER_LF:
        this.#state = TRAILER;
        return byte === LF;
      default:
        this.#state = OVER;
        return byte === LF;
    }
  }

  #sizeByte(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit;
      return ++this.#digits <= MAX_DIGITS;
    }
    if (byte === CR) this.#state = SIZE_END;
    else if (byte === SEMICOLON || byte === SPACE || byte === TAB) this.#state = EXTENSION;
    else return false;
    return this.#digits > 0;
  }
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= 0x39) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
