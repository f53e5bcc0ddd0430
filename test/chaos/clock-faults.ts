// Clock jumps of instances, one lane per place: the wall clock of its process goes ahead or back by seconds to an
// hour, and back again after a while. libfaketime does it (Debian's package, unpacked and not installed); the
// monotonic clock, the database's and the receivers' stay true. Without Debian there are no clock jumps, and the
// run says so.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder } from '../../scripts/stack/artifacts.ts';
import { ownSuite, unpackAlone } from '../../scripts/stack/debian.ts';
import { libDir, sha256 } from '../../scripts/stack/paths.ts';
import type { Place } from './fleet.ts';
import type { World } from './world.ts';

const LIBRARY = 'root/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
/** Two at least: less cannot be told from the whole seconds of a Date header. */
const JUMPS_SECONDS = [2, 5, 30, 600, 3_600];
/** libfaketime looks at its file once per second; an instance that is asleep or gone does not answer. */
const SEEN_MS = 5_000;
const LOOK_MS = 250;
const TOLERANCE_MS = 1_200;
const JUMPS = ['clock jumps ahead', 'clock jumps back'] as const;

/** Path of the library, or null where it cannot be had. */
export async function ensureFakeTime(): Promise<string | null> {
  try {
    const suite = ownSuite();
    const folder = await ensureFolder(join(libDir, 'faketime'), sha256(suite), async (partial) => {
      await unpackAlone(partial, suite, ['libfaketime']);
    });
    return join(folder, LIBRARY);
  } catch (error) {
    console.error(`no clock jumps: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** The environment in which a process lives by the clock in `clockFile`. */
export function fakeTimeEnv(library: string, clockFile: string): Record<string, string> {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

export function setClock(clockFile: string, offsetSeconds: number): void {
  writeFileSync(clockFile, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}`);
}

export async function clockFaults(world: World, place: Place): Promise<void> {
  if (!world.fleet.hasClocks) return;
  const random = world.random.fork(`clock ${place.index}`);
  const draw = random.bag(JUMPS);
  for (;;) {
    const jump = draw();
    const restMs = random.int(5_000, 15_000);
    const seconds = random.pick(JUMPS_SECONDS) * (jump === 'clock jumps back' ? -1 : 1);
    const ms = random.int(2_000, 6_000);
    await world.pause(restMs);
    if (world.isEnding) return;
    const instance = place.instance?.name;
    const startedAt = performance.now();
    setClock(place.clockFile, seconds);
    const seen = await seenFrom(world, place, seconds);
    await world.pause(ms - (performance.now() - startedAt));
    setClock(place.clockFile, 0);
    if (seen) world.timeline.fault(jump, { instance, seconds, ms });
    else world.timeline.note('a clock jump that was not seen', { instance, seconds, ms });
  }
}

/** Whether the instance told that time to somebody: its HTTP answers carry it, in whole seconds. */
async function seenFrom(world: World, { instance, asleep }: Place, seconds: number): Promise<boolean> {
  for (const until = performance.now() + SEEN_MS; performance.now() < until && !world.isEnding;) {
    await world.pause(LOOK_MS);
    if (!instance || asleep) continue;
    const offsetMs = await offsetOf(instance.url);
    if (offsetMs !== null && Math.abs(offsetMs - seconds * 1_000) < TOLERANCE_MS) return true;
  }
  return false;
}

/** null = no answer. */
async function offsetOf(url: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(1_000) });
    await response.text();
    const told = Date.parse(response.headers.get('date') ?? '');
    // The header has no fractions: in the mean it is half a second behind.
    return Number.isNaN(told) ? null : told + 500 - Date.now();
  } catch {
    return null;
  }
}
