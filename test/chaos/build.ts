// Builds the world of a run: stack, receivers, the log with its ledger, the instances, the webhooks.

import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import { ensureFakeTime } from './clock-faults.ts';
import { Fleet, SETTLE_MS } from './fleet.ts';
import { untilHeldAlike } from './held.ts';
import type { Ledger } from './ledger.ts';
import { AT_SITES, IN_TOPICS, planLog, SPAN_MS } from './log-plan.ts';
import type { LogPlan } from './log-plan.ts';
import { createTopics, produceLog } from './log-production.ts';
import type { LogPlace } from './log-production.ts';
import type { ChaosOptions } from './options.ts';
import { Random } from './random.ts';
import { Rest } from './rest.ts';
import { Target } from './target.ts';
import { Timeline } from './timeline.ts';
import { World } from './world.ts';

const TOPICS = ['delivery_log', 'delivery_log_late'];
const SITES = ['dc1', 'dc2'];
const SITES_TOPIC = 'delivery_log';
const PARTITIONS = 4;
const CONCURRENCY = 6;
const WEBHOOKS = 5;
const EVENTS_EACH = 1_500;
const NOISE = 24_000;
const AGO_MS = 20 * 60_000;

export interface Around {
  /** What ends the parts, in the order of their beginnings. */
  readonly cleanups: (() => Promise<unknown>)[];
  readonly say: (text: string) => void;
}

export async function build(
  { seed, instances, database, sites }: ChaosOptions,
  folder: string,
  { cleanups, say }: Around,
): Promise<World> {
  const random = new Random(seed);
  const timeline = new Timeline(folder);
  const name = `chaos-${process.pid}`;
  const stack = await startStack({ name, database, tied: true, ...(sites === 2 && { sites: SITES }) });
  cleanups.push(() => stack.stop({ wipe: true }));
  cleanups.push(() => keepServerLogs(stack, folder));
  const targets = await Promise.all(Array.from({ length: WEBHOOKS }, (_, index) => Target.start(index)));
  cleanups.push(() => Promise.all(targets.map((target) => target.close())));
  const apiKey = `chaos-${seed}-${process.pid}`;
  const logDir = join(folder, 'instances');
  const fakeTime = await ensureFakeTime();
  const options = { stack, topics: TOPICS, apiKey, logDir, size: instances, fakeTime, timeline };
  const fleet = await Fleet.open(options);
  cleanups.push(() => fleet.close());
  const fromMs = Math.floor((Date.now() - AGO_MS - SPAN_MS) / 1_000) * 1_000;
  const keys = targets.map(({ index }) => `customer-${index}`);
  const plan = planLog(random.fork('log'), {
    webhooks: keys.map((key) => ({ id: key, key, concurrency: CONCURRENCY })),
    fromMs,
    eventsEach: EVENTS_EACH,
    spread: sites === 1 ? IN_TOPICS : AT_SITES,
  });
  const places = placesOf(stack);
  const written = await writeLog(stack, places, plan, seed);
  say(`the log has ${written} records for ${WEBHOOKS} webhooks and their neighbours`);
  await Promise.all(fleet.places.map((place) => fleet.launch(place)));
  const webhooks = await register(new Rest(fleet, apiKey, random.fork('webhooks')), plan, targets);
  say(`${instances} instances are ready, ${webhooks.length} webhooks registered`);
  return new World({
    stack,
    fleet,
    apiKey,
    targets,
    ledger: { fromMs, toMs: fromMs + SPAN_MS, settleMs: SETTLE_MS, webhooks },
    places: sites === 1 ? places.slice(0, 1) : places,
    random,
    timeline,
  });
}

/** Two topics of one site, or one of each of two sites. */
const placesOf = ({ brokers, sites }: Stack): readonly LogPlace[] =>
  sites.length === 1
    ? TOPICS.map((topic) => ({ brokers, topic }))
    : sites.map((site) => ({ brokers: site.brokers, topic: SITES_TOPIC }));

async function writeLog(
  stack: Stack,
  places: readonly LogPlace[],
  plan: LogPlan,
  seed: number,
): Promise<number> {
  await createTopics(places, PARTITIONS);
  if (stack.sites.length > 1) await stack.untilMirrored(SITES_TOPIC);
  const written = await produceLog({ places, plan, seed, noise: NOISE });
  const keys = plan.webhooks.map(({ key }) => key);
  if (stack.sites.length > 1) await untilHeldAlike(stack, keys);
  return written;
}

async function register(rest: Rest, plan: LogPlan, targets: readonly Target[]): Promise<Ledger['webhooks']> {
  const webhooks: Ledger['webhooks'][number][] = [];
  for (const [index, told] of plan.webhooks.entries()) {
    const draft = { url: targets[index]?.url, key: told.key, concurrency: told.concurrency };
    const { id } = await rest.insist<{ id: string }>('POST', '/v1/webhooks', 201, draft);
    webhooks.push({ ...told, id });
  }
  return webhooks;
}

function keepServerLogs({ dir, sites }: Stack, folder: string): Promise<void> {
  for (const [from, to] of [
    ['database/database.log', 'database.log'],
    ['mirror/mirror.log', 'mirror.log'],
    ...sites.map(({ name }) => [`kafka-${name}/kafka.log`, `broker-${name}.log`] as const),
  ] as const) {
    if (existsSync(join(dir, from)) && existsSync(folder)) cpSync(join(dir, from), join(folder, to));
  }
  return Promise.resolve();
}
