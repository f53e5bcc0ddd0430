// Faults of the broker (of sites: site-faults.ts) and of the database: kill -9 and restart, or SIGSTOP for a while (connections stay open and
// nobody answers).

import { setTimeout as sleep } from 'node:timers/promises';
import { statusOf } from '../../scripts/stack/stack.ts';
import type { Timeline } from './timeline.ts';
import type { World } from './world.ts';

const SERVERS = ['broker', 'database'] as const;
type Server = (typeof SERVERS)[number];
const FAULTS = SERVERS.flatMap((server) => [
  { server, how: 'kill -9' as const },
  { server, how: 'kill -9' as const },
  { server, how: 'SIGSTOP' as const },
]);
const START_TRIES = 3;

export async function serverFaults(world: World): Promise<void> {
  const random = world.random.fork('servers');
  const isLone = world.stack.sites.length === 1;
  const draw = random.bag(FAULTS.filter(({ server }) => isLone || server === 'database'));
  for (;;) {
    const { server, how } = draw();
    const restMs = random.int(3_000, 9_000);
    const ms = random.int(100, 4_000);
    await world.rest(restMs);
    if (world.isEnding) return;
    world.timeline.fault(`${how} of the ${server}`, { ms });
    if (how === 'SIGSTOP') await freeze(world, server, ms);
    else await killAndRestart(world, server, Math.floor(ms / 2));
    world.timeline.note(`the ${server} is back`);
  }
}

async function killAndRestart(world: World, server: Server, ms: number): Promise<void> {
  const { stack } = world;
  await (server === 'broker' ? stack.killKafka() : stack.killDatabase());
  await sleep(ms);
  const start = () => (server === 'broker' ? stack.startKafka() : stack.startDatabase());
  const kill = () => (server === 'broker' ? stack.killKafka() : stack.killDatabase());
  await broughtBack(world.timeline, `the ${server}`, start, kill);
}

/** Tried again when it does not start. */
export async function broughtBack(
  timeline: Timeline,
  what: string,
  start: () => Promise<void>,
  kill: () => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await start();
      return;
    } catch (error) {
      timeline.note(`${what} did not start`, { why: String(error).slice(0, 500) });
      if (tries === START_TRIES) throw error;
      await kill();
    }
  }
}

async function freeze({ stack }: World, server: Server, ms: number): Promise<void> {
  const { sites } = stack;
  const { running } = statusOf(stack.name);
  const pid = server === 'broker' ? running[`kafka-${sites[0]?.name ?? ''}`] : running['database'];
  if (pid === undefined) throw new Error(`the ${server} does not run`);
  process.kill(pid, 'SIGSTOP');
  await sleep(ms);
  process.kill(pid, 'SIGCONT');
}
