// npm run chaos: a log with a ledger, N instances, users who ask for replays, and faults on a seeded schedule. Then
// everything is mended, all must end, and the outside checker judges. Exit 0 only when every property holds.
// What it starts ends with it; its record (what summary.ts adds up) and the evidence of a failed run stay in
// .reprise/chaos-evidence/.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repriseDir } from '../../scripts/stack/paths.ts';
import { bites } from './bite.ts';
import { build } from './build.ts';
import { judge } from './checker.ts';
import { clockFaults } from './clock-faults.ts';
import { Demand } from './demand.ts';
import { gather, save } from './evidence.ts';
import { LEASE_MS } from './fleet.ts';
import { heal } from './heal.ts';
import { readHeld } from './held.ts';
import { instanceFaults } from './instance-faults.ts';
import { linkFaults } from './link-faults.ts';
import { liveProduction } from './live-production.ts';
import { mirrorFaults } from './mirror-faults.ts';
import { parseOptions, USAGE } from './options.ts';
import type { ChaosOptions } from './options.ts';
import { receiverFaults } from './receiver-faults.ts';
import { writeRecord } from './record.ts';
import { printBites, printFaults, printVerdict } from './report.ts';
import { serverFaults } from './server-faults.ts';
import { sessionFaults } from './session-faults.ts';
import { siteFaults } from './site-faults.ts';
import type { World } from './world.ts';

const JOURNAL_MS = 500;
const PROGRESS_MS = 10_000;
/** Below the last word that tether.ts leaves to a script whose parent was killed. */
const LAST_LANES_MS = 10_000;

const cleanups: (() => Promise<unknown>)[] = [];
const startedAt = performance.now();
const say = (text: string): void =>
  console.log(`[${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s] ${text}`);

async function chaos(options: ChaosOptions): Promise<boolean> {
  const { seed, minutes } = options;
  say(
    `chaos with seed ${seed}: ${minutes} min, ${options.instances} instances, ${options.sites} site(s), ${options.database}`,
  );
  const folder = join(repriseDir, 'chaos-evidence', `${options.database}-${seed}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const world = await build(options, folder, { cleanups, say });
  const demand = new Demand(world);
  const settling = setInterval(() => world.targets.forEach((target) => target.settle()), JOURNAL_MS);
  const showing = setInterval(() => {
    say(
      `${demand.accepted.length} replays asked for, ${demand.live().length} live, ${world.timeline.total} faults`,
    );
  }, PROGRESS_MS);
  const timer = setTimeout(() => world.end(), minutes * 60_000);
  const lanes = allLanes(world, demand);
  // When we are told to stop, a lane may be in the middle of a fault or of a Java producer: let it finish.
  cleanups.push(async () => {
    world.end();
    await Promise.race([lanes.catch(() => undefined), sleep(LAST_LANES_MS, undefined, { ref: false })]);
  });
  try {
    await lanes;
    say('mending everything; waiting until all replays have ended');
    await heal(world);
  } finally {
    clearTimeout(timer);
    clearInterval(settling);
    clearInterval(showing);
  }
  // A sleeper that woke last has sent what it will ever send.
  await sleep(LEASE_MS);
  const { ledger, targets, stack } = world;
  for (const target of targets) target.settle(true);
  const posts = targets.flatMap((target) => target.posts);
  const keys = ledger.webhooks.map(({ key }) => key);
  const held = stack.sites.length > 1 ? await readHeld(stack, keys) : [];
  const evidence = await gather(
    { ledger, posts, accepted: demand.accepted, exits: world.exits, losses: world.losses, held },
    world.client('evidence'),
    stack.databaseUrl,
  );
  save(folder, evidence);
  say('judging');
  printFaults(world.timeline);
  const verdict = judge(evidence);
  const violations = printVerdict(verdict);
  const { selfEnded } = world.fleet;
  for (const text of selfEnded) console.log(`VIOLATED  ${text}`);
  const spoils = violations === 0 ? bites(evidence) : [];
  const missed = printBites(spoils);
  say(`written down in ${writeRecord(options, world, { verdict, spoils })}`);
  return keepOrDrop(options, folder, world, violations + selfEnded.length + missed);
}

/** Every lane runs until the end; when one fails, all end and the run is void. */
async function allLanes(world: World, demand: Demand): Promise<void> {
  const lanes = [
    demand.request(),
    demand.watch(),
    demand.steer(),
    serverFaults(world),
    sessionFaults(world),
    liveProduction(world, world.places),
    ...(world.stack.sites.length > 1 ? [siteFaults(world, demand), mirrorFaults(world)] : []),
    ...world.fleet.places.map((place) => instanceFaults(world, place)),
    ...world.fleet.places.map((place) => clockFaults(world, place)),
    ...world.fleet.places.map((place) => linkFaults(world, place)),
    ...world.targets.map((target) => receiverFaults(world, demand, target)),
  ];
  const failed = (
    await Promise.allSettled(
      lanes.map((lane) =>
        lane.catch((error: unknown) => {
          world.end();
          throw error;
        }),
      ),
    )
  ).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function keepOrDrop(
  { keep }: ChaosOptions,
  folder: string,
  { timeline }: World,
  violations: number,
): boolean {
  if (violations > 0)
    say(`${violations} violations after ${timeline.total} faults; the evidence is in ${folder}`);
  else if (keep) say(`no violation; the evidence is in ${folder}`);
  else {
    cleanups.unshift(() => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    });
    say(`no violation after ${timeline.total} faults`);
  }
  return violations === 0;
}

let ending: Promise<void> | null = null;
/** Ends all that was started, newest first; once. */
function cleanUp(): Promise<void> {
  ending ??= (async () => {
    for (const cleanup of cleanups.reverse()) {
      await cleanup().catch((error: unknown) => console.error(`cleaning up: ${String(error)}`));
    }
  })();
  return ending;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}

let code = 1;
try {
  code = (await chaos(parseOptions(process.argv.slice(2)))) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    console.error(USAGE);
}
await cleanUp();
process.exit(code);
