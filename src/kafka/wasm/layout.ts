// AssemblyScript: where things lie in the scanner's memory. It has one fixed size and never grows, so nothing
// that a batch claims can make it larger; what does not fit is for the TypeScript scanner. Each region is followed
// by SLACK bytes, because whole 16-byte words are copied and 8 bytes are loaded for each number. The caller
// (../wasm-scanner.ts) takes the addresses from the exports.

/** The widest step of any loop that may begin inside a region and end outside. */
export const SLACK: u32 = 64;

/** What a snappy tag means, u32 each: see snappy.ts. */
export const TAGS: u32 = 64;

/** Numbers that go in and out with a scan: f64 each, in the order of the names below. */
export const STATE: u32 = TAGS + 256 * 4;
export const FROM_MS: u32 = STATE;
export const TO_MS: u32 = STATE + 8;
export const START: u32 = STATE + 16;
export const END: u32 = STATE + 24;
export const BASE_OFFSET: u32 = STATE + 32;
export const OFFSET_SPAN: u32 = STATE + 40;
export const BASE_TIMESTAMP_MS: u32 = STATE + 48;
export const NEWEST_MS: u32 = STATE + 56;
export const DISORDER_MS: u32 = STATE + 64;
export const MIN_MS: u32 = STATE + 72;

/** What was found: see walk.ts. A walk stops when it is full and goes on when it was read. */
export const HITS: u32 = STATE + 128;
export const HIT_BYTES: u32 = 40;
export const MAX_HITS: u32 = 1024;

/** Open addressing, by the hash of the key: index of the key + 1, or 0. At most half full. */
export const KEY_SLOTS: u32 = HITS + MAX_HITS * HIT_BYTES;
export const KEY_SLOT_COUNT: u32 = 8192;
/** Address, length and hash of each key, u32. */
export const KEY_ENTRIES: u32 = KEY_SLOTS + KEY_SLOT_COUNT * 4;
export const KEY_ENTRY_BYTES: u32 = 12;
export const MAX_KEYS: u32 = KEY_SLOT_COUNT / 2;
export const KEY_BYTES: u32 = KEY_ENTRIES + MAX_KEYS * KEY_ENTRY_BYTES;
export const MAX_KEY_BYTES: u32 = 256 * 1024;

/** The batch's bytes as they came: a broker takes 1 MiB by default. */
export const INPUT: u32 = KEY_BYTES + MAX_KEY_BYTES + SLACK;
export const MAX_INPUT: u32 = 4 * 1024 * 1024;
export const OUTPUT: u32 = INPUT + MAX_INPUT + SLACK;
export const MAX_OUTPUT: u32 = 16 * 1024 * 1024;
export const MEMORY_END: u32 = OUTPUT + MAX_OUTPUT + SLACK;
