// Faults of whole sites, one site at a time: kill -9 and restart, or SIGSTOP for a while; soon over, or longer than
// the replays wait for it (a loss). Two of three losses take the instances with them whose replays read that site, so
// that their dedupe memory dies together with the log that it could be filled from again.
// A loss is written down with its times: whether it met a running replay is judged from the table of transitions.

import type { Demand } from './demand.ts';
import { SITE_DOWN_MS } from './fleet.ts';
import type { Random } from './random.ts';
import { broughtBack } from './server-faults.ts';
import type { World } from './world.ts';

/** A site that was away for longer than the limit. */
export interface SiteLoss {
  readonly site: string;
  /** ms since 1970. */
  readonly fromMs: number;
  untilMs: number;
  /** Instances that were killed meanwhile, because a replay of theirs read this site. */
  readonly killed: { readonly instance: string; readonly atMs: number }[];
}

const HOW = ['kill -9', 'SIGSTOP'] as const;
type How = (typeof HOW)[number];

interface Fault {
  readonly how: How;
  readonly lasts: 'short' | 'loss' | 'loss with owners';
}

const FAULTS: readonly Fault[] = HOW.flatMap((how): readonly Fault[] => [
  { how, lasts: 'short' },
  { how, lasts: 'loss' },
  { how, lasts: 'loss with owners' },
  { how, lasts: 'loss with owners' },
]);
const LEASED: readonly string[] = ['STARTED', 'ONGOING'];
const WORTHWHILE_MS = 6_000;
const LOOK_MS = 150;

export async function siteFaults(world: World, demand: Demand): Promise<void> {
  const random = world.random.fork('sites');
  const draw = random.bag(FAULTS);
  for (;;) {
    const fault = draw();
    const restMs = random.int(3_000, 8_000);
    const ms = fault.lasts === 'short' ? random.int(100, SITE_DOWN_MS - 1_000) : random.int(8_000, 16_000);
    const killAfterMs = random.int(0, 900);
    await world.pause(restMs);
    const site = await worthwhile(world, demand, random);
    if (world.isEnding) return;
    await away(world, site, fault.how, async () => {
      if (fault.lasts === 'short') {
        world.timeline.fault(`${fault.how} of a site`, { site, ms });
        await world.pause(ms);
      } else await lose(world, demand, { ...fault, site, ms, killAfterMs });
    });
    world.timeline.note('a site is back', { site });
  }
}

async function lose(
  world: World,
  demand: Demand,
  loss: Fault & { readonly site: string; readonly ms: number; readonly killAfterMs: number },
): Promise<void> {
  const { how, lasts, site, ms, killAfterMs } = loss;
  const told: SiteLoss = { site, fromMs: Date.now(), untilMs: Infinity, killed: [] };
  world.losses.push(told);
  if (lasts === 'loss with owners') {
    await world.pause(killAfterMs);
    await killOwners(world, demand, told);
  }
  world.timeline.fault(`${how} of a site: ${lasts}`, { site, ms, killed: told.killed });
  await world.pause(ms);
  told.untilMs = Date.now();
}

/** The site that replays are being read from; any one when there is none for a while. */
async function worthwhile(world: World, demand: Demand, random: Random): Promise<string> {
  const names = world.stack.sites.map(({ name }) => name);
  for (const until = performance.now() + WORTHWHILE_MS; performance.now() < until && !world.isEnding;) {
    const read = demand.live().filter(({ state }) => LEASED.includes(state));
    const sites = read.flatMap(({ site }) => names.filter((name) => site?.split('+').includes(name)));
    if (sites.length > 0) return random.pick(sites);
    await world.pause(LOOK_MS);
  }
  return random.pick(names);
}

async function killOwners({ fleet }: World, demand: Demand, told: SiteLoss): Promise<void> {
  const read = demand
    .live()
    .filter(({ state, site }) => LEASED.includes(state) && site?.split('+').includes(told.site));
  const owners = new Set(read.map(({ owner }) => owner?.split('-').slice(0, 2).join('-')));
  const places = fleet.places.filter(({ instance }) => instance !== null && owners.has(instance.name));
  await Promise.all(
    places.map(async (place) => {
      const instance = place.instance?.name ?? '';
      told.killed.push({ instance, atMs: Date.now() });
      await fleet.kill(place);
    }),
  );
}

async function away(world: World, site: string, how: How, meanwhile: () => Promise<void>): Promise<void> {
  const { stack, timeline } = world;
  if (how === 'SIGSTOP') {
    stack.freezeKafka(site);
    await meanwhile();
    stack.thawKafka(site);
    return;
  }
  await stack.killKafka(site);
  await meanwhile();
  const [start, kill] = [() => stack.startKafka(site), () => stack.killKafka(site)];
  await broughtBack(timeline, `site ${site}`, start, kill);
}
