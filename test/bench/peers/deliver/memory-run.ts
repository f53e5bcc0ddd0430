// A job that is already claimed, around the real delivery: what the product wires in main.ts and actors/job.ts, with
// signals and metrics, but a store in memory that keeps nothing. Whoever feeds it plays dedupe.

import { Gate } from '../../../../src/actors/gate.ts';
import { Lease } from '../../../../src/actors/lease.ts';
import { MemoryBudget } from '../../../../src/actors/memory-budget.ts';
import { NO_PROVING } from '../../../../src/actors/prover.ts';
import { Together } from '../../../../src/actors/together.ts';
import { TurnShare } from '../../../../src/actors/turn-share.ts';
import { Progress } from '../../../../src/actors/progress.ts';
import { Run } from '../../../../src/actors/run.ts';
import { systemClock } from '../../../../src/domain/clock.ts';
import { asInstanceId } from '../../../../src/domain/ids.ts';
import type { DeliveryLog } from '../../../../src/domain/log.ts';
import type { DeliveryProfile } from '../../../../src/domain/message.ts';
import { DEFAULT_RETRY_POLICY } from '../../../../src/domain/outcome.ts';
import type { JobStore } from '../../../../src/domain/store.ts';
import { keepHeapSmall } from '../../../../src/heap.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { createSignals } from '../../../../src/telemetry/signals.ts';
import { createSender } from '../../../../src/webhook/client.ts';
import { createGuard } from '../../../../src/webhook/guard.ts';
import { JOB_SPEC, SOURCE } from '../../../support/example.ts';
import { MemoryJobStore } from '../../../support/memory-job-store.ts';
import { SECRET, work } from './work.ts';

const LEASE_MS = 3_600_000;
/** Above what any sender reaches: the bucket counts, but never makes anything wait. */
const RATE = 1_000_000;
/** The product's defaults. */
const MAX_REPEAT = 1_000;
const DEADLINE_MS = 30_000;
const CUT_MS = 200;
const HEALTH = { failuresInARow: 20, probeBaseMs: 500, probeCapMs: 60_000, downLimitMs: 900_000 };
const INSTANCE = asInstanceId('bench');

/** In ONGOING, its one source begun at offset 0. `ended`: called with the fact that ends it. */
export function memoryRun(delivery: DeliveryProfile, ended: () => void): Run {
  const jobs = new MemoryJobStore(JOB_SPEC);
  const claim = jobs.claim(INSTANCE, MAX_REPEAT);
  const lease = new Lease(claim.lease, LEASE_MS, systemClock, Lease.moment(systemClock));
  const progress = new Progress(claim, MAX_REPEAT);
  progress.cut.begin(SOURCE, 0);
  const run = new Run(claim, edges(storeOf(jobs.port(), delivery, ended)), lease, progress);
  run.gate = new Gate(run, 2, () => undefined);
  run.tell = () => undefined;
  const { context } = jobs.job;
  run.context = () => context;
  run.crash = (error) => {
    throw error;
  };
  run.fenced = (at) => {
    throw new Error(`fenced at ${at}`);
  };
  run.phase = 'streaming';
  return run;
}

/** Answers each write a turn later, and forgets it. */
function storeOf(port: JobStore, delivery: DeliveryProfile, ended: () => void): JobStore {
  return {
    ...port,
    commit: () => {
      ended();
      return Promise.resolve({ ok: true, facts: [], state: 'COMPLETED' });
    },
    saveCut: () => new Promise((resolve) => setImmediate(resolve, 'saved')),
    factsAfter: () => Promise.resolve([]),
    target: async (webhookId) => {
      const target = await port.target(webhookId);
      return target && { ...target, url: work.url, secrets: [SECRET], delivery };
    },
  };
}

function edges(store: JobStore): Run['edges'] {
  const metrics = createMetrics({ version: 'bench', gauges: () => Promise.resolve([]) });
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const { emit, listen } = createSignals({ log, metrics: metrics.listen });
  keepHeapSmall(listen);
  return {
    store,
    log: {} as DeliveryLog,
    sender: createSender(createGuard(['127.0.0.0/8'])),
    emit,
    clock: systemClock,
    random: Math.random,
    budget: new MemoryBudget(256 * 1024 * 1024),
    turns: new TurnShare(),
    prover: NO_PROVING,
    together: new Together(systemClock),
    settings: {
      instance: INSTANCE,
      leaseMs: LEASE_MS,
      heartbeatIntervalMs: LEASE_MS,
      cutIntervalMs: CUT_MS,
      settleMs: 0,
      siteDownMs: 60_000,
      mirrorWaitMs: 0,
      maxRepeat: MAX_REPEAT,
      maxRate: RATE,
      concurrency: work.connections,
      requestTimeoutMs: DEADLINE_MS,
      dedupeMaxEntries: 1,
      retry: DEFAULT_RETRY_POLICY,
      health: HEALTH,
    },
  };
}
