// The composition root: configuration -> edges -> actors -> API. The only file that imports everything, and the
// only place where the parts meet. `node src/main.ts` is the server.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { LogPlanner } from './actors/planner.ts';
import { Pool } from './actors/pool.ts';
import { keepSending } from './actors/courier.ts';
import { keepGroups } from './actors/group-keeping.ts';
import { Prover } from './actors/prover.ts';
import { keepPruning } from './actors/pruning.ts';
import { MemoryBudget } from './actors/memory-budget.ts';
import { Together } from './actors/together.ts';
import { TurnShare } from './actors/turn-share.ts';
import type { Edges } from './actors/edges.ts';
import { singleKeyAccess } from './api/access.ts';
import type { CheckResult } from './api/proof.ts';
import { createApi } from './api/server.ts';
import { loadConfig } from './config.ts';
import type { Config } from './config.ts';
import { systemClock } from './domain/clock.ts';
import { RepriseError } from './domain/errors.ts';
import { asInstanceId } from './domain/ids.ts';
import type { InstanceId, TenantId, WebhookId } from './domain/ids.ts';
import { pause } from './domain/pause.ts';
import type { ProofStore } from './domain/proof.ts';
import type { ReplayStore } from './domain/replay-store.ts';
import type { WebhookSender } from './domain/sender.ts';
import type { Emit } from './domain/signals.ts';
import type { JobStore } from './domain/store.ts';
import { createDeliveryLog } from './kafka/delivery-log.ts';
import { storeGauges } from './gauges.ts';
import { keepHeapSmall } from './heap.ts';
import { Lifecycle } from './lifecycle.ts';
import { becomeReady, keepWatching } from './readiness.ts';
import { actorSettings, apiSettings, clientLimits, proofPolicy, xSettings } from './settings.ts';
import { openDatabase } from './store/database.ts';
import type { Database } from './store/database.ts';
import { createEventStore } from './store/event-store.ts';
import { createJobStore } from './store/job-store.ts';
import { createProofStore } from './store/proof-store.ts';
import { createReplayStore } from './store/replay-store.ts';
import { logOptions } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { GaugeReading } from './telemetry/metrics.ts';
import { createSignals } from './telemetry/signals.ts';
import { createSender } from './webhook/client.ts';
import { createGuard } from './webhook/guard.ts';
import type { Guard } from './webhook/guard.ts';
import { createProber } from './webhook/prober.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Requests of others are looked for this often; every leased job's row in one query per instance. */
const LOOK_INTERVAL_MS = 250;
const RECLAIMS_PER_POLL = 8;
const READY_DEADLINE_MS = 1_500;
/** The pool keeps its own deadline; this much later it is given up. */
const POOL_SPARE_MS = 3_000;

let isRunning = false;

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const instance = nameOf(config);
  const lifecycle = new Lifecycle();
  const log = pino(logOptions({ level: config.logLevel, instance }));
  const gauges: (() => Promise<readonly GaugeReading[]>)[] = [];
  const metrics = createMetrics({
    version,
    gauges: async () => (await Promise.all(gauges.map((read) => read()))).flat(),
  });
  const { emit, listen: hear } = createSignals({ log, metrics: metrics.listen });
  keepHeapSmall(hear);

  const { database, deliveryLog } = openServers(config, emit, lifecycle);
  const guard = createGuard(config.dangerousAllowTargets);
  const replayStore = createReplayStore(database, () => deliveryLog.reading().partitions);
  const jobStore = createJobStore(database);
  const sender = createSender(guard);
  const ending = new AbortController();
  const prover = createProver(config, { store: createProofStore(database), guard, emit }, ending.signal);
  const pool = createPool(config, {
    store: jobStore,
    log: deliveryLog,
    sender,
    emit,
    clock: systemClock,
    random: Math.random,
    budget: new MemoryBudget(config.memoryBudgetBytes),
    turns: new TurnShare(),
    prover,
    together: new Together(systemClock),
    settings: actorSettings(config, instance),
  });
  gauges.push(
    () => storeGauges(database),
    () => Promise.resolve(pool.gauges()),
  );

  const api = await createApi({
    store: replayStore,
    authenticate: singleKeyAccess(config.apiKey),
    checkUrl: guard.checkUrl,
    metrics: metrics.text,
    readiness: async () => ({
      database: await answers(replayStore.ping()),
      sites: deliveryLog.status(),
    }),
    onReplayRequested: () => {
      pool.nudge();
    },
    emit,
    planner: new LogPlanner(deliveryLog, emit),
    ...apiSettings(config),
    ...clientLimits(config),
    proof: { mode: config.webhookProof, check: (tenant, id) => checkNow(prover, tenant, id) },
    docs: config.docs === 'on',
    ...(config.xApi === 'on' && { x: xSettings(config) }),
    version,
  });
  // A request that hangs in a database that is away would never be answered.
  lifecycle.onClose('api', () => api.close(), api.server);
  lifecycle.handleSignals((reason) => emit('instance.stopping', { instance, reason }));
  const listen = await api.listen(config.listen);
  emit('instance.started', { instance, listen });

  let courier = Promise.resolve();
  lifecycle.onClose('courier', () => courier);
  const signal = stopsWith(lifecycle, { pool, ending }, config.stopTimeoutMs, (clean) =>
    emit('instance.stopped', { instance, clean }),
  );
  const checkLog = () => deliveryLog.check();
  if (!(await becomeReady({ migrate: () => database.migrate(), checkLog, signal }))) return;
  pool.start();
  courier = keepBesidePool(config, { database, jobStore, replayStore, pool, sender, prover, emit }, signal);
  void deliveryLog.watchMirrors(config.mirrorWatchIntervalMs, signal);
  isRunning = true;
  try {
    await keepWatching({ checkLog, signal });
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

/** Connections to what it stands on; nothing is asked of either yet. */
function openServers(config: Config, emit: Emit, lifecycle: Lifecycle) {
  const { databaseUrl: url, poolSize, leaseMs } = config;
  const database = openDatabase({ url, poolSize: poolSize + 4, leaseMs, emit });
  lifecycle.onClose('database', () => database.close());
  const deliveryLog = createDeliveryLog(config, emit);
  lifecycle.onClose('delivery log', () => deliveryLog.close());
  return { database, deliveryLog };
}

/** Another one at each start: leases of an earlier process are not this one's. */
function nameOf({ instance }: Config): InstanceId {
  return asInstanceId(`${instance ?? hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`);
}

/** Aborted when the stop begins. */
function stopsWith(
  lifecycle: Lifecycle,
  { pool, ending: stopping }: { readonly pool: Pool; readonly ending: AbortController },
  timeoutMs: number,
  stopped: (clean: boolean) => void,
): AbortSignal {
  lifecycle.onStop('pool', timeoutMs + POOL_SPARE_MS, async () => {
    stopping.abort();
    const { clean } = await pool.stop(timeoutMs);
    stopped(clean);
    return clean;
  });
  return stopping.signal;
}

/** null when it does, within the time that a load balancer would wait; else what to tell it. */
async function answers(ping: Promise<void>): Promise<string | null> {
  const late = new AbortController();
  const problem = 'the database does not answer; the log says why';
  const answer = await Promise.race([
    ping.then(
      () => null,
      () => problem,
    ),
    pause(READY_DEADLINE_MS, late.signal).then(() => problem),
  ]);
  late.abort();
  return answer;
}

interface ProverParts {
  readonly store: ProofStore;
  readonly guard: Guard;
  readonly emit: Emit;
}

function createProver(config: Config, { store, guard, emit }: ProverParts, signal: AbortSignal): Prover {
  const policy = proofPolicy(config);
  return new Prover({ store, probe: createProber(guard), emit, random: Math.random, policy }, signal);
}

async function checkNow(
  prover: Prover,
  tenant: TenantId,
  id: WebhookId,
): Promise<CheckResult | 'busy' | null> {
  const answer = await prover.proveNow(id, tenant);
  if (typeof answer !== 'string') return answer;
  return answer === 'absent' ? null : 'busy';
}

function createPool(config: Config, edges: Edges): Pool {
  const settings = {
    size: config.poolSize,
    pollIntervalMs: config.pollIntervalMs,
    lookIntervalMs: LOOK_INTERVAL_MS,
    reclaimsPerPoll: RECLAIMS_PER_POLL,
  };
  return new Pool(edges, settings, () => ({
    version,
    listen: `${config.listen.host}:${config.listen.port}`,
  }));
}

interface BesidePool {
  readonly database: Database;
  readonly jobStore: JobStore;
  readonly replayStore: ReplayStore;
  readonly pool: Pool;
  readonly sender: WebhookSender;
  readonly prover: Prover;
  readonly emit: Emit;
}

/** Pruning, proving and groups, for which nobody waits, and the courier; resolves when that has ended what was under way. */
function keepBesidePool(
  config: Config,
  { database, jobStore, replayStore, pool, sender, prover, emit }: BesidePool,
  signal: AbortSignal,
): Promise<void> {
  const retentionMs = config.jobRetentionMs;
  void keepPruning({ store: jobStore, emit, random: Math.random, retentionMs }, signal);
  void prover.keepProving();
  const nudge = (): void => {
    pool.nudge();
  };
  void keepGroups({ groups: replayStore.groups, emit, random: Math.random, nudge }, signal);
  const courier = {
    outbox: createEventStore(database),
    sender,
    emit,
    random: Math.random,
    clock: systemClock,
    pollIntervalMs: config.pollIntervalMs,
    requestTimeoutMs: config.requestTimeoutMs,
    retryBaseMs: config.retryBaseMs,
    retryForMs: config.completionRetryMs,
    proof: config.webhookProof,
  };
  return keepSending(courier, signal);
}

try {
  await main();
} catch (error) {
  // Configuration faults and a log that must not be read: said once, plainly, and the process ends.
  const text =
    error instanceof RepriseError ? error.detail : error instanceof Error ? error.stack : String(error);
  process.stderr.write(
    `reprise ${isRunning ? 'cannot go on' : 'cannot start'}: ${text ?? 'unknown error'}\n`,
  );
  process.exit(1);
}
