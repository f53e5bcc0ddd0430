// AssemblyScript: whether the bytes in INPUT are one JSON text, as ../json-text.ts decides, which is the reference.
// Refuses to judge UTF-8: it says whether there is any. Invariant: behind the input lie zeros, which are no part of any
// JSON text, so that nothing needs to ask where it ends; loads are of 16 bytes and what they find there decides nothing.

/** What `check` answers: 0, or these added up. */
export const VALID: i32 = 1;
/** A byte above 127 in a string: it is JSON only if it is UTF-8. */
export const HIGH: i32 = 2;
/** A line break between the values. */
export const BREAK: i32 = 4;

const MAX_DEPTH: u32 = 512;
/** The open containers: what closes each. */
const CLOSERS: u32 = 1024;
export const INPUT: u32 = 4096;
export const MAX_INPUT: u32 = 1024 * 1024;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const COLON: u32 = 0x3a;
const BACKSLASH: u32 = 0x5c;
const OPEN_OBJECT: u32 = 0x7b;
const OPEN_ARRAY: u32 = 0x5b;
const CLOSE_OBJECT: u32 = 0x7d;
const CLOSE_ARRAY: u32 = 0x5d;
/** No address. */
const BROKEN: u32 = 0;

/** Of the input that is being checked. */
let found: i32 = 0;

export function check(length: u32): i32 {
  const end = INPUT + length;
  v128.store(end, i64x2.splat(0));
  found = VALID;
  let depth: u32 = 0;
  let at: u32 = INPUT;
  while (true) {
    at = skipSpace(at);
    const first: u32 = load<u8>(at);
    if (first === QUOTE) at = afterString(at);
    else if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      const close = first + 2;
      at = skipSpace(at + 1);
      if (<u32>load<u8>(at) === close) at++;
      else {
        if (depth === MAX_DEPTH) return 0;
        store<u8>(CLOSERS + depth++, close);
        if (close === CLOSE_OBJECT) {
          at = afterName(at);
          if (at === BROKEN) return 0;
        }
        continue;
      }
    } else at = afterScalar(at, first);
    if (at === BROKEN) return 0;
    while (true) {
      at = skipSpace(at);
      if (depth === 0) return at === end ? found : 0;
      const close: u32 = load<u8>(CLOSERS + depth - 1);
      const next: u32 = load<u8>(at++);
      if (next === COMMA) {
        if (close === CLOSE_OBJECT) {
          at = afterName(skipSpace(at));
          if (at === BROKEN) return 0;
        }
        break;
      }
      if (next !== close) return 0;
      depth--;
    }
  }
}

function skipSpace(from: u32): u32 {
  return load<u8>(from) > 0x20 ? from : skipSome(from);
}

function skipSome(from: u32): u32 {
  let at = from;
  while (true) {
    const byte: u32 = load<u8>(at);
    if (byte === 0x0a || byte === 0x0d) found |= BREAK;
    else if (byte !== 0x20 && byte !== 0x09) return at;
    at++;
  }
}

/** Behind a member's name and its colon. */
function afterName(from: u32): u32 {
  if (<u32>load<u8>(from) !== QUOTE) return BROKEN;
  const end = afterString(from);
  if (end === BROKEN) return BROKEN;
  const at = skipSpace(end);
  return <u32>load<u8>(at) === COLON ? at + 1 : BROKEN;
}

/** `from`: at the opening quote. */
function afterString(from: u32): u32 {
  let at = from + 1;
  while (true) {
    const bytes = v128.load(at);
    const stops: u32 = i8x16.bitmask(
      v128.or(
        i8x16.lt_u(bytes, i8x16.splat(0x20)),
        v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH))),
      ),
    );
    const high: u32 = i8x16.bitmask(bytes);
    if (stops === 0) {
      if (high !== 0) found |= HIGH;
      at += 16;
      continue;
    }
    const plain = ctz(stops);
    if ((high & ((1 << plain) - 1)) !== 0) found |= HIGH;
    at += plain;
    const byte: u32 = load<u8>(at++);
    if (byte === QUOTE) return at;
    if (byte !== BACKSLASH) return BROKEN;
    at = afterEscape(at);
    if (at === BROKEN) return BROKEN;
  }
}

function afterEscape(from: u32): u32 {
  const byte: u32 = load<u8>(from);
  switch (byte) {
    case 0x22:
    case 0x2f:
    case 0x5c:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return from + 1;
    case 0x75:
      for (let at = from + 1; at < from + 5; at++) if (!isHex(load<u8>(at))) return BROKEN;
      return from + 5;
    default:
      return BROKEN;
  }
}

/** Behind a number, true, false or null. */
function afterScalar(from: u32, first: u32): u32 {
  if (first === MINUS || isDigit(first)) return afterNumber(from);
  const word: u32 = load<u32>(from);
  // As they are loaded: true, null, fals.
  if (word === 0x6575_7274 || word === 0x6c6c_756e) return from + 4;
  return word === 0x736c_6166 && load<u8>(from + 4) === 0x65 ? from + 5 : BROKEN;
}

function afterNumber(from: u32): u32 {
  let at = <u32>load<u8>(from) === MINUS ? from + 1 : from;
  if (load<u8>(at) === 0x30) at++;
  else at = afterDigits(at);
  if (at !== BROKEN && load<u8>(at) === 0x2e) at = afterDigits(at + 1);
  if (at === BROKEN) return BROKEN;
  const exponent: u32 = load<u8>(at);
  if (exponent !== 0x65 && exponent !== 0x45) return at;
  const sign: u32 = load<u8>(at + 1);
  return afterDigits(sign === 0x2b || sign === MINUS ? at + 2 : at + 1);
}

/** At least one. */
function afterDigits(from: u32): u32 {
  let at = from;
  while (isDigit(load<u8>(at))) at++;
  return at === from ? BROKEN : at;
}

function isDigit(byte: u32): bool {
  return byte - 0x30 <= 9;
}

function isHex(byte: u32): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 <= 5;
}
