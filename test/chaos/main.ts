// npm run chaos: a log with a ledger, N instances, users who ask for replays, and faults on a seeded schedule. Then
// everything is mended, all must end, and the outside checker judges. Exit 0 only when every property holds.
// What it starts ends with it; its record (what summary.ts adds up) and the evidence of a failed run stay in
// .reprise/chaos-evidence/.

import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repriseDir } from '../../scripts/stack/paths.ts';
import { startStack } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import { bites } from './bite.ts';
import { judge } from './checker.ts';
import { clockFaults, ensureFakeTime } from './clock-faults.ts';
import { Demand } from './demand.ts';
import { gather, save } from './evidence.ts';
import { Fleet, LEASE_MS, SETTLE_MS } from './fleet.ts';
import { heal } from './heal.ts';
import { instanceFaults } from './instance-faults.ts';
import type { Ledger } from './ledger.ts';
import { linkFaults } from './link-faults.ts';
import { liveProduction } from './live-production.ts';
import { planLog, SPAN_MS } from './log-plan.ts';
import { produceLog } from './log-production.ts';
import { parseOptions, USAGE } from './options.ts';
import type { ChaosOptions } from './options.ts';
import { Random } from './random.ts';
import { receiverFaults } from './receiver-faults.ts';
import { writeRecord } from './record.ts';
import { printBites, printFaults, printVerdict } from './report.ts';
import { Rest } from './rest.ts';
import { serverFaults } from './server-faults.ts';
import { sessionFaults } from './session-faults.ts';
import { Target } from './target.ts';
import { Timeline } from './timeline.ts';
import { World } from './world.ts';

const TOPICS = ['delivery_log', 'delivery_log_late'];
const PARTITIONS = 4;
const CONCURRENCY = 6;
const WEBHOOKS = 5;
const EVENTS_EACH = 1_500;
const NOISE = 24_000;
const AGO_MS = 20 * 60_000;
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
  say(`chaos with seed ${seed}: ${minutes} min, ${options.instances} instances, ${options.database}`);
  const folder = join(repriseDir, 'chaos-evidence', `${options.database}-${seed}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const world = await build(options, folder);
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
  const evidence = await gather(
    { ledger, posts, accepted: demand.accepted, exits: world.exits },
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
    liveProduction(world, TOPICS[0] ?? ''),
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

async function build({ seed, instances, database }: ChaosOptions, folder: string): Promise<World> {
  const random = new Random(seed);
  const timeline = new Timeline(folder);
  const stack = await startStack({ name: `chaos-${process.pid}`, database, tied: true });
  cleanups.push(() => stack.stop({ wipe: true }));
  cleanups.push(() => keepServerLogs(stack, folder));
  const targets = await Promise.all(Array.from({ length: WEBHOOKS }, (_, index) => Target.start(index)));
  cleanups.push(() => Promise.all(targets.map((target) => target.close())));
  const apiKey = `chaos-${seed}-${process.pid}`;
  const logDir = join(folder, 'instances');
  const fakeTime = await ensureFakeTime();
  const fleet = await Fleet.open({
    stack,
    topics: TOPICS,
    apiKey,
    logDir,
    size: instances,
    fakeTime,
    timeline,
  });
  cleanups.push(() => fleet.close());
  const fromMs = Math.floor((Date.now() - AGO_MS - SPAN_MS) / 1_000) * 1_000;
  const keys = targets.map(({ index }) => `customer-${index}`);
  const plan = planLog(random.fork('log'), {
    webhooks: keys.map((key) => ({ id: key, key, concurrency: CONCURRENCY })),
    fromMs,
    eventsEach: EVENTS_EACH,
  });
  const written = await produceLog({
    brokers: stack.brokers,
    topics: TOPICS,
    partitions: PARTITIONS,
    plan,
    seed,
    noise: NOISE,
  });
  say(`the log has ${written} records for ${WEBHOOKS} webhooks and their neighbours`);
  await Promise.all(fleet.places.map((place) => fleet.launch(place)));
  const rest = new Rest(fleet, apiKey, random.fork('webhooks'));
  const webhooks: Ledger['webhooks'][number][] = [];
  for (const [index, told] of plan.webhooks.entries()) {
    const draft = { url: targets[index]?.url, key: told.key, concurrency: told.concurrency };
    const { id } = await rest.insist<{ id: string }>('POST', '/v1/webhooks', 201, draft);
    webhooks.push({ ...told, id });
  }
  say(`${instances} instances are ready, ${webhooks.length} webhooks registered`);
  return new World({
    stack,
    fleet,
    apiKey,
    targets,
    ledger: { fromMs, toMs: fromMs + SPAN_MS, settleMs: SETTLE_MS, webhooks },
    random,
    timeline,
  });
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

function keepServerLogs({ dir }: Stack, folder: string): Promise<void> {
  for (const [from, to] of [
    ['database/database.log', 'database.log'],
    ['kafka-local/kafka.log', 'broker.log'],
  ] as const) {
    if (existsSync(join(dir, from)) && existsSync(folder)) cpSync(join(dir, from), join(folder, to));
  }
  return Promise.resolve();
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
