// Faults of receivers, one lane per webhook: of all requests or of a share, or of the URL as a whole.

import { BAD_URLS, BEHAVIOURS } from './behaviours.ts';
import type { Target } from './target.ts';
import type { World } from './world.ts';

export async function receiverFaults(world: World, target: Target): Promise<void> {
  const random = world.random.fork(`receiver ${target.index}`);
  const draw = random.bag([...Object.keys(BEHAVIOURS), ...Object.keys(BAD_URLS)]);
  for (;;) {
    const name = draw();
    const restMs = random.int(2_000, 6_000);
    const ms = random.int(500, 5_000);
    const share = random.pick([1, 0.6, 0.2]);
    await world.pause(restMs);
    if (world.isEnding) return;
    const behaviour = BEHAVIOURS[name];
    if (behaviour === undefined) {
      await badUrl(world, target, name, ms);
      continue;
    }
    world.timeline.fault(`receiver: ${name}`, { target: target.index, ms, share });
    await target.ail(behaviour, share);
    await world.pause(ms);
    await target.heal();
  }
}

async function badUrl(world: World, target: Target, name: string, ms: number): Promise<void> {
  const rest = world.client(`url of ${target.index}`);
  const id = world.ledger.webhooks[target.index]?.id ?? '';
  const url = BAD_URLS[name]?.(target.url);
  const answer = await rest.ask('PATCH', `/v1/webhooks/${id}`, { url });
  if (answer?.status === 200) world.timeline.fault(`receiver: ${name}`, { target: target.index, ms });
  await world.pause(ms);
  // Also without an answer: it may have been done.
  await rest.insist('PATCH', `/v1/webhooks/${id}`, 200, { url: target.url });
}
