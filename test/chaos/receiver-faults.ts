// Faults of receivers, one lane per webhook: of all requests or of a share, or of the URL as a whole. Counted is
// only what somebody met: a request that came, or, where none can come, a replay that was being delivered.

import { BAD_URLS, BEHAVIOURS, TOTAL, UNSEEN } from './behaviours.ts';
import type { Demand } from './demand.ts';
import type { Target } from './target.ts';
import type { World } from './world.ts';

/** How long a fault that nobody met yet stays at most beyond its time. */
const PATIENCE_MS = 6_000;
const LOOK_MS = 200;

export async function receiverFaults(world: World, demand: Demand, target: Target): Promise<void> {
  const random = world.random.fork(`receiver ${target.index}`);
  const draw = random.bag([...Object.keys(BEHAVIOURS), ...Object.keys(BAD_URLS)]);
  for (let name = draw(); ;) {
    const restMs = random.int(1_500, 5_000);
    const ms = random.int(500, 4_000);
    const share = TOTAL.includes(name) ? 1 : random.pick([1, 0.6, 0.2]);
    await world.rest(restMs);
    if (world.isEnding) return;
    const met = (): number => (UNSEEN.includes(name) ? demand.streamingTo(target.index) : target.met);
    const most = await (name in BAD_URLS
      ? badUrl(world, target, { name, ms, met })
      : ail(world, target, { name, ms, met, share }));
    const told = { target: target.index, ms, share, met: most };
    if (most > 0) {
      world.timeline.fault(`receiver: ${name}`, told);
      name = draw();
    } else world.timeline.note('a receiver fault that nobody met, and is tried again', { name, ...told });
  }
}

interface Strike {
  readonly name: string;
  readonly ms: number;
  readonly met: () => number;
}

async function ail(
  world: World,
  target: Target,
  { name, ms, met, share }: Strike & { readonly share: number },
): Promise<number> {
  const behaviour = BEHAVIOURS[name];
  if (behaviour === undefined) throw new Error(`no behaviour is called ${name}`);
  await target.ail(behaviour, share);
  const most = await lastFor(world, ms, met);
  await target.heal();
  return most;
}

async function badUrl(world: World, target: Target, { name, ms, met }: Strike): Promise<number> {
  const rest = world.client(`url of ${target.index}`);
  const id = world.ledger.webhooks[target.index]?.id ?? '';
  const url = BAD_URLS[name]?.(target.url);
  const answer = await rest.ask('PATCH', `/v1/webhooks/${id}`, { url });
  const most = answer?.status === 200 ? await lastFor(world, ms, met) : 0;
  // Also without an answer: it may have been done.
  await rest.insist('PATCH', `/v1/webhooks/${id}`, 200, { url: target.url });
  return most;
}

/** Resolves to the most that was met after `ms`, or somewhat later when nothing was. */
async function lastFor(world: World, ms: number, met: () => number): Promise<number> {
  const startedAt = performance.now();
  let most = 0;
  for (;;) {
    most = Math.max(most, met());
    const passed = performance.now() - startedAt;
    if (world.isEnding || passed > (most > 0 ? ms : ms + PATIENCE_MS)) return most;
    await world.pause(LOOK_MS);
  }
}
