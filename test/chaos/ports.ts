// Ports of instances, out of a slice that belongs to this process: below those of the stacks, whose servers are
// dead now and then and must find theirs free again, and apart from those of a run beside this one.

import { isFree } from '../../scripts/stack/ports.ts';

const FIRST = 12_000;
const SLICES = 64;
const SLICE = 125;
let turn = 0;

export async function nextPort(): Promise<number> {
  const first = FIRST + (process.pid % SLICES) * SLICE;
  for (let tries = 0; tries < SLICE; tries++) {
    const port = first + (turn++ % SLICE);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${first} and ${first + SLICE - 1}`);
}
