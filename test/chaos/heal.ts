// After the faults: everything is mended, then every replay must come to its end by itself (PAUSED ones are
// resumed). Waiting is bounded by standstill, not by a guess of how long a slow machine may take.

import { hasEnded } from './demand.ts';
import { reviveInstances } from './instance-faults.ts';
import type { ReplayAnswer, Rest } from './rest.ts';
import type { World } from './world.ts';

/** Nothing of any replay moved for so long: it is stuck. */
const STANDSTILL_MS = 60_000;
const MOST_MS = 15 * 60_000;
const LOOK_MS = 500;

export async function heal(world: World): Promise<void> {
  await Promise.all(world.targets.map((target) => target.heal()));
  await world.stack.startDatabase();
  await Promise.all(world.stack.sites.map(({ name }) => world.stack.startKafka(name)));
  await reviveInstances(world);
  world.timeline.note('healed');
  const rest = world.client('heal');
  const startedAt = performance.now();
  let movedAt = startedAt;
  let before = '';
  // Also those whose request was accepted without an answer: nobody else knows that they are there.
  let open = (await rest.all<ReplayAnswer>('/v1/replays')).map(({ id }) => id);
  while (open.length > 0) {
    const looks = await Promise.all(open.map((id) => rest.ask('GET', `/v1/replays/${id}`)));
    const replays = looks.flatMap((look) => (look?.status === 200 ? [look.body as ReplayAnswer] : []));
    const ended = new Set(replays.filter(hasEnded).map(({ id }) => id));
    open = open.filter((id) => !ended.has(id));
    for (const { id, state } of replays) {
      if (state === 'PAUSED') await rest.ask('POST', `/v1/replays/${id}/resume`, { reason: 'healed' });
    }
    await mendUrls(world, rest);
    const now = JSON.stringify(
      replays.map(({ id, counts, fence, state }) => [id, counts['delivered'], fence, state]),
    );
    if (now !== before) movedAt = performance.now();
    before = now;
    if (performance.now() - movedAt > STANDSTILL_MS || performance.now() - startedAt > MOST_MS) {
      world.timeline.note('replays stand still', { open });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A change that was never answered may have come after the one that took it back. */
async function mendUrls({ ledger, targets }: World, rest: Rest): Promise<void> {
  for (const [index, { id }] of ledger.webhooks.entries()) {
    const answer = await rest.ask('GET', `/v1/webhooks/${id}`);
    const url = targets[index]?.url;
    if (answer?.status !== 200 || (answer.body as { url: string }).url === url) continue;
    await rest.ask('PATCH', `/v1/webhooks/${id}`, { url });
  }
}
