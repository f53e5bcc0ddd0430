// Blocked database connections of one place, below the lease and beyond it, while the instance itself lives on,
// reads and delivers: it must stop by itself, and what it wrote too late must not count.

import { LEASE_MS } from './fleet.ts';
import type { Place } from './fleet.ts';
import type { World } from './world.ts';

const BEYOND = 'blocked database connections beyond the lease';
const WITHIN = 'blocked database connections within the lease';

export async function linkFaults(world: World, place: Place): Promise<void> {
  const random = world.random.fork(`link ${place.index}`);
  const draw = random.bag([BEYOND, WITHIN] as const);
  for (;;) {
    const fault = draw();
    const restMs = random.int(8_000, 24_000);
    const choice = random.next();
    const ms = Math.round(fault === BEYOND ? LEASE_MS * (1.1 + choice) : LEASE_MS * 0.8 * choice);
    await world.rest(restMs);
    if (world.isEnding) return;
    const instance = place.instance?.name;
    const connections = place.link.block();
    await world.pause(ms);
    place.link.unblock();
    if (connections > 0) world.timeline.fault(fault, { instance, ms, connections });
    else world.timeline.note('nothing was connected to the blocked database', { instance });
  }
}
