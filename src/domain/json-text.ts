// Whether bytes are one JSON text (RFC 8259), without building anything of it: JSON.parse of an event of 1 KB with
// many fields takes 5 us and leaves its objects to the garbage collector, this takes 1.4 us (measured). It is the
// reference of the WebAssembly that takes 0.4 us (json-scan.ts), and judges what is too large for that.
// Refuses to say what is in it. Invariant: what is accepted here, every JSON parser that takes UTF-8 accepts; deeper
// nesting than MAX_DEPTH is refused, because parsers of receivers refuse it at depths of their own.

import { isUtf8 } from 'node:buffer';

const MAX_DEPTH = 512;
/** The open containers; one for all calls, because a call never waits. */
const closers = new Uint8Array(MAX_DEPTH);

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = { object: 0x7b, array: 0x5b } as const;
const CLOSE = { object: 0x7d, array: 0x5d } as const;
/** What may follow a backslash besides `u`. */
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));
const LITERALS = ['true', 'false', 'null'].map((word) => Buffer.from(word));
/** 1 for the bytes that end a run of plain characters in a string: one look per byte instead of three. */
const STOPS = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte < 0x20 || byte === QUOTE || byte === BACKSLASH),
);
const BROKEN = -1;

export function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false;
  let depth = 0;
  let at = 0;
  for (;;) {
    at = skipSpace(bytes, at);
    const first = bytes[at];
    if (first === OPEN.object || first === OPEN.array) {
      const close = first === OPEN.object ? CLOSE.object : CLOSE.array;
      at = skipSpace(bytes, at + 1);
      if (bytes[at] === close) at++;
      else {
        if (depth === MAX_DEPTH) return false;
        closers[depth++] = close;
        if (close === CLOSE.object) at = afterName(bytes, at);
        if (at === BROKEN) return false;
        continue;
      }
    } else at = first === QUOTE ? afterString(bytes, at) : afterScalar(bytes, at);
    if (at === BROKEN) return false;
    // A value has ended: so do the containers that end here; a comma leads to the next value.
    for (;;) {
      at = skipSpace(bytes, at);
      if (depth === 0) return at === bytes.length;
      const close = closers[depth - 1];
      const next = bytes[at++];
      if (next === COMMA) {
        if (close === CLOSE.object) at = afterName(bytes, skipSpace(bytes, at));
        if (at === BROKEN) return false;
        break;
      }
      if (next !== close) return false;
      depth--;
    }
  }
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

/** Behind a member's name and its colon. */
function afterName(bytes: Buffer, from: number): number {
  if (bytes[from] !== QUOTE) return BROKEN;
  const end = afterString(bytes, from);
  if (end === BROKEN) return BROKEN;
  const at = skipSpace(bytes, end);
  return bytes[at] === COLON ? at + 1 : BROKEN;
}

/** `from`: at the opening quote. */
function afterString(bytes: Buffer, from: number): number {
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (STOPS[byte] === 0) continue;
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return BROKEN;
    const escaped = bytes[++at] ?? 0;
    if (escaped === 0x75) {
      for (const last = at + 4; at < last;) if (!isHex(bytes[++at] ?? 0)) return BROKEN;
    } else if (!ESCAPES.has(escaped)) return BROKEN;
  }
  return BROKEN;
}

/** Behind a number, true, false or null. */
function afterScalar(bytes: Buffer, from: number): number {
  if (bytes[from] === MINUS || isDigit(bytes[from] ?? 0)) return afterNumber(bytes, from);
  for (const word of LITERALS) {
    if (bytes[from] === word[0]) return startsWith(bytes, word, from) ? from + word.length : BROKEN;
  }
  return BROKEN;
}

/** Byte by byte: Buffer.compare takes longer to begin than a literal is. */
function startsWith(bytes: Buffer, word: Buffer, from: number): boolean {
  for (let at = 1; at < word.length; at++) if (bytes[from + at] !== word[at]) return false;
  return true;
}

function afterNumber(bytes: Buffer, from: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from;
  if (bytes[at] === 0x30) at++;
  else at = afterDigits(bytes, at);
  if (at !== BROKEN && bytes[at] === 0x2e) at = afterDigits(bytes, at + 1);
  if (at === BROKEN || (bytes[at] !== 0x65 && bytes[at] !== 0x45)) return at;
  const sign = bytes[at + 1];
  return afterDigits(bytes, sign === 0x2b || sign === MINUS ? at + 2 : at + 1);
}

/** At least one. */
function afterDigits(bytes: Buffer, from: number): number {
  let at = from;
  while (isDigit(bytes[at] ?? 0)) at++;
  return at === from ? BROKEN : at;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
