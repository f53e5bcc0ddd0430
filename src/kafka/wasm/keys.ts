// AssemblyScript: the wanted keys. One is compared at once; of several the right one is found by a hash over all
// of its bytes, so a record costs the same among a thousand keys as among two. The seed is drawn by the caller:
// nobody can choose keys that collide.

import { KEY_ENTRIES, KEY_ENTRY_BYTES, KEY_SLOTS, KEY_SLOT_COUNT } from './layout';

export const NO_KEY: i32 = -1;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

let keys: i32 = 0;
let onlyLength: i32 = 0;
let onlyAt: u32 = 0;
let seed: u64 = 0;

export function clearKeys(newSeed: u32): void {
  keys = 0;
  seed = newSeed;
  memory.fill(KEY_SLOTS, 0, KEY_SLOT_COUNT * 4);
}

/** The next key, whose bytes lie at `at` in KEY_BYTES. */
export function addKey(at: u32, length: i32): void {
  onlyLength = length;
  onlyAt = at;
  const hash = hashOf(at, length);
  let slot = hash % KEY_SLOT_COUNT;
  while (load<u32>(KEY_SLOTS + slot * 4) !== 0) slot = (slot + 1) % KEY_SLOT_COUNT;
  const entry = KEY_ENTRIES + keys * KEY_ENTRY_BYTES;
  store<u32>(entry, at);
  store<i32>(entry, length, 4);
  store<u32>(entry, hash, 8);
  keys++;
  store<i32>(KEY_SLOTS + slot * 4, keys);
}

/** Which wanted key these bytes are. */
export function keyAt(at: u32, length: i32): i32 {
  if (keys === 1) return length === onlyLength && isEqual(at, onlyAt, length) ? 0 : NO_KEY;
  const hash = hashOf(at, length);
  let slot = hash % KEY_SLOT_COUNT;
  let key = load<i32>(KEY_SLOTS + slot * 4) - 1;
  while (key >= 0) {
    const entry = KEY_ENTRIES + key * KEY_ENTRY_BYTES;
    if (load<u32>(entry, 8) === hash && load<i32>(entry, 4) === length) {
      if (isEqual(at, load<u32>(entry), length)) return key;
    }
    slot = (slot + 1) % KEY_SLOT_COUNT;
    key = load<i32>(KEY_SLOTS + slot * 4) - 1;
  }
  return NO_KEY;
}

/** From the end: ids of one time begin alike. */
function isEqual(a: u32, b: u32, length: i32): bool {
  let rest = length;
  for (; rest >= 8; rest -= 8) if (load<u64>(a + rest - 8) !== load<u64>(b + rest - 8)) return false;
  return rest === 0 || (load<u64>(a) ^ load<u64>(b)) << (64 - rest * 8) === 0;
}

function hashOf(at: u32, length: i32): u32 {
  let hash = seed ^ (<u64>length);
  let rest = length;
  for (; rest >= 8; rest -= 8, at += 8) hash = mixed(hash ^ load<u64>(at));
  if (rest > 0) hash = mixed(hash ^ (load<u64>(at) << (64 - rest * 8)));
  return <u32>(hash >> 32);
}

function mixed(word: u64): u64 {
  const product = word * FACTOR;
  return product ^ (product >> 29);
}
