// A process, and in it a thread, that keep making objects which live long enough to be kept: V8 answers that with a
// larger young space. Prints the largest that each had, in MiB. `bounded`: keepHeapSmall was called before.

import { getHeapSpaceStatistics } from 'node:v8';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { keepHeapSmall } from '../../../src/heap.ts';

const KEPT = 400_000;
const ROUNDS = 250;
const PER_ROUND = 20_000;

function youngMib(): number {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return (young?.space_size ?? NaN) / 2 ** 20;
}

async function largest(): Promise<number> {
  const kept: unknown[] = [];
  let most = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < PER_ROUND; n++) kept[(round * PER_ROUND + n) % KEPT] = { n, more: [n] };
    most = Math.max(most, youngMib());
    await new Promise((resolve) => setImmediate(resolve));
  }
  return most;
}

if (isMainThread) {
  if (process.argv[2] === 'bounded') keepHeapSmall(() => undefined);
  const main = await largest();
  const thread = await new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url)).once('message', resolve).once('error', reject);
  });
  console.log(JSON.stringify({ main, thread }));
} else {
  parentPort?.postMessage(await largest());
}
