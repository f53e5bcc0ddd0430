// AssemblyScript: walks the records that unsnap left in OUTPUT, as ../record-walk.ts does, which is the
// reference: what is Malformed there is Malformed here, and each number is computed in the same way, times and
// offsets as f64. Invariant: no byte outside of the decoded ones decides anything, whatever the lengths claim;
// loads are of 8 bytes and may touch the slack, but what was read there is refused afterwards.

import {
  BASE_OFFSET,
  BASE_TIMESTAMP_MS,
  DISORDER_MS,
  END,
  FROM_MS,
  HITS,
  HIT_BYTES,
  MAX_HITS,
  MIN_MS,
  NEWEST_MS,
  OFFSET_SPAN,
  OUTPUT,
  START,
  TO_MS,
} from './layout';
import { keyAt, NO_KEY } from './keys';
import { MALFORMED } from './snappy';

/** All records were walked. */
export const DONE: i32 = 0;
/** There are MAX_HITS hits; read them and call `walk` again. */
export const FULL: i32 = 1;

// A hit is an entry of HITS: f64 time; then i32: offset delta, key, the value's address and length (-1: null), the
// header's address and length (-1: none), records walked up to it.

/** `event-id` as it is loaded. */
const EVENT_ID: u64 = 0x6469_2d74_6e65_7665;
/** No number: the top bit of what `varint` answers. */
const BAD: u64 = 1 << 63;

let at: u32 = 0;
let limit: u32 = 0;
let left: i32 = 0;
let walked: i32 = 0;
let hits: u32 = 0;
/** What `longVarlong` read. */
let wide: f64 = 0;

export function hitCount(): u32 {
  return hits;
}

export function walkedCount(): i32 {
  return walked;
}

export function begin(length: u32, count: i32): void {
  at = OUTPUT;
  limit = OUTPUT + length;
  left = count;
  walked = 0;
  store<f64>(MIN_MS, Infinity);
}

export function walk(): i32 {
  const end = limit;
  const fromMs = load<f64>(FROM_MS);
  const toMs = load<f64>(TO_MS);
  const startOffset = load<f64>(START);
  const endOffset = load<f64>(END);
  const baseOffset = load<f64>(BASE_OFFSET);
  const span = load<f64>(OFFSET_SPAN);
  const baseMs = load<f64>(BASE_TIMESTAMP_MS);
  let newestMs = load<f64>(NEWEST_MS);
  let disorderMs = load<f64>(DISORDER_MS);
  let minMs = load<f64>(MIN_MS);
  let pos = at;
  let records = left;
  let passed = walked;
  hits = 0;
  for (; records > 0 && hits < MAX_HITS; records--) {
    const sized = varint(pos, end);
    pos += taken(sized);
    const length = value(sized);
    if (sized >= BAD || length < 6 || <u32>length > end - pos) return MALFORMED;
    const recordEnd = pos + <u32>length;
    pos++; // attributes
    let delta: f64;
    const word = load<u64>(pos);
    const bytes = lengthOf(word);
    if (bytes <= 7) {
      const raw = sevens(word, bytes);
      delta = <f64>((<i64>(raw >> 1)) ^ -(<i64>(raw & 1)));
      pos += bytes;
    } else {
      pos = longVarlong(pos, end);
      delta = wide;
    }
    const moved = varint(pos, end);
    pos += taken(moved);
    const offsetDelta = value(moved);
    // `moved` cannot be good when the time before it was cut: it began behind the end.
    if (moved >= BAD || offsetDelta < 0 || <f64>offsetDelta > span) return MALFORMED;
    const timestampMs = baseMs + delta;
    const offset = baseOffset + <f64>offsetDelta;
    if (offset >= startOffset && offset < endOffset) {
      passed++;
      if (timestampMs > newestMs) newestMs = timestampMs;
      else if (newestMs - timestampMs > disorderMs) disorderMs = newestMs - timestampMs;
      if (timestampMs < minMs) minMs = timestampMs;
      if (timestampMs >= fromMs && timestampMs < toMs) {
        const keyed = varint(pos, end);
        if (keyed >= BAD) return MALFORMED;
        pos += taken(keyed);
        const keyLength = value(keyed);
        if (keyLength >= 0) {
          if (!fits(keyLength, pos, recordEnd)) return MALFORMED;
          const key = keyAt(pos, keyLength);
          pos += <u32>keyLength;
          if (key !== NO_KEY) {
            const entry = HITS + hits * HIT_BYTES;
            store<f64>(entry, timestampMs);
            store<i32>(entry, offsetDelta, 8);
            store<i32>(entry, key, 12);
            store<i32>(entry, passed, 32);
            if (!content(entry, pos, recordEnd, end)) return MALFORMED;
            hits++;
          }
        }
      }
    }
    pos = recordEnd;
  }
  at = pos;
  left = records;
  walked = passed;
  store<f64>(NEWEST_MS, newestMs);
  store<f64>(DISORDER_MS, disorderMs);
  store<f64>(MIN_MS, minMs);
  if (records > 0) return FULL;
  return pos === end ? DONE : MALFORMED;
}

/** Value and `event-id` of a hit whose key ends at `pos`; false when the record is malformed. */
function content(entry: u32, pos: u32, recordEnd: u32, end: u32): bool {
  const sized = varint(pos, end);
  if (sized >= BAD) return false;
  pos += taken(sized);
  const length = value(sized);
  store<u32>(entry, pos, 16);
  store<i32>(entry, length < 0 ? -1 : length, 20);
  store<i32>(entry, -1, 28);
  if (length >= 0) {
    if (!fits(length, pos, recordEnd)) return false;
    pos += <u32>length;
  }
  const counted = varint(pos, end);
  if (counted >= BAD) return false;
  pos += taken(counted);
  for (let headers = value(counted); headers > 0; headers--) {
    const named = varint(pos, end);
    if (named >= BAD) return false;
    pos += taken(named);
    const nameLength = value(named);
    if (!fits(nameLength, pos, recordEnd)) return false;
    const isId = nameLength === 8 && load<u64>(pos) === EVENT_ID;
    pos += <u32>nameLength;
    const filled = varint(pos, end);
    if (filled >= BAD) return false;
    pos += taken(filled);
    const idLength = value(filled);
    if (isId) {
      store<u32>(entry, pos, 24);
      store<i32>(entry, idLength < 0 ? -1 : idLength, 28);
    }
    if (idLength >= 0) {
      if (!fits(idLength, pos, recordEnd)) return false;
      pos += <u32>idLength;
    }
  }
  return pos === recordEnd;
}

/** Whether `length` bytes from `pos` end before `recordEnd`, which `pos` may already be behind. */
function fits(length: i32, pos: u32, recordEnd: u32): bool {
  return length >= 0 && length <= <i32>(recordEnd - pos);
}

/** A zigzag varint of at most 5 bytes: its value below, how many bytes it takes above; BAD when it is none. */
function varint(pos: u32, end: u32): u64 {
  const word = load<u64>(pos);
  if ((word & 0x80) === 0) {
    const small = (<u32>word) & 0x7f;
    return pos < end ? ((<u64>1) << 32) | ((small >> 1) ^ -(small & 1)) : BAD;
  }
  const bytes = lengthOf(word);
  if (bytes > 5 || pos + bytes > end) return BAD;
  const raw = <u32>sevens(word, bytes);
  return ((<u64>bytes) << 32) | ((raw >> 1) ^ -(raw & 1));
}

function value(read: u64): i32 {
  return <i32>read;
}

function taken(read: u64): u32 {
  return (<u32>(read >> 32)) & 0xff;
}

/** Up to and including the first byte without its top bit; 9 when there is none in the word. */
function lengthOf(word: u64): u32 {
  return <u32>((ctz(~word & 0x8080_8080_8080_8080) >> 3) + 1);
}

/** The low 7 bits of each of the first `bytes` bytes. */
function sevens(word: u64, bytes: u32): u64 {
  let x = word & (0x7f7f_7f7f_7f7f_7f7f >> (64 - (bytes << 3)));
  x = (x & 0x007f_007f_007f_007f) | ((x & 0x7f00_7f00_7f00_7f00) >> 1);
  x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x3fff_0000_3fff_0000) >> 2);
  return (x & 0x0fff_ffff) | ((x & 0x0fff_ffff_0000_0000) >> 4);
}

/** A varlong of more than 7 bytes, as the reference reads it, in f64; where it ends, behind `end` when it is none. */
function longVarlong(pos: u32, end: u32): u32 {
  let raw: f64 = 0;
  let scale: f64 = 1;
  for (let count = 0; count <= 9 && pos < end; count++) {
    const byte = load<u8>(pos++);
    raw += <f64>(byte & 0x7f) * scale;
    if (byte < 0x80) {
      const half = raw / 2;
      wide = half === Math.floor(half) ? half : -(raw + 1) / 2;
      return pos;
    }
    scale *= 128;
  }
  return end;
}
