// Faults of instances, one lane per place of the fleet: SIGKILL, SIGSTOP beyond the lease and below it, SIGTERM.
// After an end comes a fresh instance. Several places may be without a living instance at the same time.

import { heldBy } from './exits.ts';
import { LEASE_MS } from './fleet.ts';
import type { Place } from './fleet.ts';
import type { World } from './world.ts';

const HARD = ['SIGKILL', 'SIGSTOP beyond the lease', 'SIGTERM'] as const;
const FAULTS = [...HARD, ...HARD, 'SIGSTOP within the lease'] as const;

export async function instanceFaults(world: World, place: Place): Promise<void> {
  const random = world.random.fork(`instance ${place.index}`);
  const draw = random.bag(FAULTS);
  for (;;) {
    const fault = draw();
    const restMs = random.int(1_500, 6_000);
    const choice = random.next();
    await world.rest(restMs);
    if (world.isEnding) return;
    await strike(world, place, fault, choice);
    if (!place.instance) await world.fleet.launch(place);
  }
}

async function strike(
  { fleet, stack, exits, timeline }: World,
  place: Place,
  fault: (typeof FAULTS)[number],
  choice: number,
): Promise<void> {
  const instance = place.instance?.name;
  if (instance === undefined) return;
  if (fault === 'SIGKILL') {
    timeline.fault(fault, { instance });
    await fleet.kill(place);
  } else if (fault === 'SIGTERM') {
    timeline.fault(fault, { instance });
    const askedMs = Date.now();
    const code = await fleet.stop(place);
    const endedMs = Date.now();
    const held = await heldBy(stack.databaseUrl, instance);
    exits.push({ instance, askedMs, endedMs, code, held });
    if (code !== 0) timeline.note(`SIGTERM ended with ${code}`, { instance });
  } else {
    const ms = Math.round(
      fault === 'SIGSTOP beyond the lease' ? LEASE_MS * (1.1 + choice) : LEASE_MS * 0.8 * choice,
    );
    timeline.fault(fault, { instance, ms });
    await fleet.sleep(place, ms);
  }
}

/** Makes sure that there is an instance at each place. */
export async function reviveInstances({ fleet }: World): Promise<void> {
  await Promise.all(
    fleet.places.map(async (place) => {
      if (!place.instance) await fleet.launch(place);
    }),
  );
}
