// AssemblyScript: what the module offers to ../wasm-scanner.ts. `npm run generate` builds scanner.wasm of it.
// One batch at a time: keys, STATE and INPUT are filled, `scan` decodes and walks, `walk` goes on when it said
// FULL. Whatever lies in the memory before does not matter.

import { unsnap } from './snappy';
import { begin, walk } from './walk';

export {
  HITS,
  INPUT,
  KEY_BYTES,
  MAX_HITS,
  MAX_INPUT,
  MAX_KEYS,
  MAX_KEY_BYTES,
  MAX_OUTPUT,
  MEMORY_END,
  OUTPUT,
  STATE,
} from './layout';
export { addKey, clearKeys } from './keys';
export { unsnap } from './snappy';
export { hitCount, walk, walkedCount } from './walk';

/** DONE, FULL, MALFORMED or TOO_LARGE. */
export function scan(length: u32, count: i32): i32 {
  const decoded = unsnap(length);
  if (decoded < 0) return decoded;
  begin(<u32>decoded, count);
  return walk();
}
