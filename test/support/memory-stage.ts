// One job, its owners and a log in memory: the real actors over ports that a test crashes as it likes.

import { RunningJob } from '../../src/actors/job.ts';
import { Lease } from '../../src/actors/lease.ts';
import { MemoryBudget } from '../../src/actors/memory-budget.ts';
import { NO_PROVING } from '../../src/actors/prover.ts';
import { Together } from '../../src/actors/together.ts';
import { TurnShare } from '../../src/actors/turn-share.ts';
import type { Edges } from '../../src/actors/edges.ts';
import { systemClock } from '../../src/domain/clock.ts';
import { asInstanceId, asSourceName } from '../../src/domain/ids.ts';
import type { SourceName } from '../../src/domain/ids.ts';
import type { JobSpec } from '../../src/domain/job.ts';
import type { Answer, SendRequest } from '../../src/domain/sender.ts';
import type { HeartbeatDetail } from '../../src/domain/store.ts';
import { JOB_SPEC } from './example.ts';
import { statesTagged } from '../../src/machines/replay-job/decide.ts';
import { MemoryJobStore } from './memory-job-store.ts';
import { MemoryLog } from './memory-log.ts';
import type { MemoryRecord } from './memory-log.ts';
import { headersOf, senderOf } from './promised-sender.ts';

export const FROM = 60_000;
export const TO = 600_000;
export const A = asSourceName('dc1/delivery_log');
export const B = asSourceName('dc1/dc2.delivery_log');

export const spec: JobSpec = { ...JOB_SPEC, key: 'ours', fromMs: FROM, toMs: TO };

export interface World {
  readonly records: readonly MemoryRecord[];
  readonly copies: readonly number[];
  readonly crashes: readonly number[];
  readonly maxRepeat: number;
  readonly batch: number;
  readonly seed: number;
  readonly heartbeatIntervalMs?: number;
  readonly siteDownMs?: number;
}

/** A small generator, so that a failing case runs again the same way. */
function numbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The events in one request: a batch's values name their ids (memory-log.ts). */
function idsIn(request: SendRequest): readonly string[] {
  const headers = headersOf(request);
  if (headers['reprise-event-count'] === undefined) return [headers['webhook-id'] ?? ''];
  const text = request.body.toString();
  const isLines = headers['content-type'] === 'application/x-ndjson';
  const values = JSON.parse(isLines ? `[${text.trimEnd().replaceAll('\n', ',')}]` : text) as { id: string }[];
  if (String(values.length) !== headers['reprise-event-count']) throw new Error('a batch of another size');
  return values.map(({ id }) => id);
}

const ENDED = statesTagged('terminal');
const SPARE_OWNERS = 20;

export class Stage {
  readonly store: MemoryJobStore;
  /** Events that the receiver refuses for good. */
  poison: ReadonlySet<string> = new Set();
  /** What the receiver answers to a batch, whatever is in it; null = it takes batches. */
  batchStatus: number | null = null;
  /** At this step of the first owner somebody asks to cancel the job. */
  cancelAt = Infinity;
  readonly accepted: string[] = [];
  /** Event ids of each request that was handed over whole, whatever its answer. */
  readonly requests: (readonly string[])[] = [];
  /** The most events that were in flight together. */
  mostInFlight = 0;
  /** Facts that a live actor was moved by, with its owner. */
  readonly moves: string[] = [];
  /** What others do just after a claim. */
  afterClaim: () => void = () => undefined;
  readonly log: MemoryLog;
  readonly #random: () => number;
  readonly #world: World;
  #steps = 0;
  #crashAt = Infinity;
  #inFlight = 0;
  #crash: () => void = () => undefined;
  #cancel: () => void = () => undefined;

  /** The present owner's look at what others have asked for. */
  look: () => void = () => undefined;
  /** Called before each claim. */
  beforeOwner: () => void = () => undefined;
  /** Called before each write or send of any owner, with how many there were before. */
  beforeStep: (steps: number) => void = () => undefined;
  #allSteps = 0;

  /** `other`: what the second source holds, instead of copies of the first one; or all sources. */
  constructor(
    given: World,
    store = new MemoryJobStore(spec),
    other: readonly MemoryRecord[] | ReadonlyMap<SourceName, readonly MemoryRecord[]> | null = null,
  ) {
    this.store = store;
    this.#world = given;
    this.#random = numbers(given.seed);
    // The mirrored source holds copies of the own one, in another order.
    const copies = given.copies
      .map((n) => given.records[n % given.records.length])
      .filter((r) => r !== undefined);
    this.log = new MemoryLog(
      other instanceof Map
        ? other
        : new Map([
            [A, given.records],
            [B, (other as readonly MemoryRecord[] | null) ?? copies],
          ]),
      () => 1 + Math.floor(this.#random() * given.batch),
    );
    this.store.beforeWrite = () => {
      this.#step();
    };
  }

  /** Runs the job through all planned crashes to its end. */
  async play(): Promise<void> {
    // One that is released (its site fell silent while its memory was filled) needs more owners than crashes.
    const spare = Array.from({ length: SPARE_OWNERS }, () => Infinity);
    for (const crashAt of [...this.#world.crashes, ...spare]) {
      this.#steps = 0;
      this.#crashAt = crashAt;
      this.beforeOwner();
      await this.#own(`owner-${crashAt}`);
      this.store.check();
      if (ENDED.includes(this.store.job.state)) return;
    }
  }

  /** An owner that runs until somebody ends it. */
  start(name: string, watch: (detail: HeartbeatDetail) => void = () => undefined): RunningJob {
    const claim = this.store.claim(name, this.#world.maxRepeat);
    const lease = new Lease(claim.lease, 60_000, systemClock, Lease.moment(systemClock));
    return new RunningJob(claim, [...this.store.facts], lease, this.#edges(name, watch));
  }

  async #own(name: string): Promise<void> {
    const claim = this.store.claim(name, this.#world.maxRepeat);
    this.afterClaim();
    const lease = new Lease(claim.lease, 60_000, systemClock, Lease.moment(systemClock));
    const job = new RunningJob(claim, [...this.store.facts], lease, this.#edges(name));
    this.#crash = () => {
      job.abandon();
    };
    this.look = () => {
      const { version, state, wanted } = this.store.view();
      const { fence } = claim.lease;
      void job.looked({ jobId: this.store.id, version, state, fence, wanted, webhookVersion: 1 });
    };
    this.#cancel = () => {
      this.store.request({ type: 'CANCEL_REQUESTED', by: 'op', why: '' });
      this.look();
    };
    await job.ended;
  }

  /** One write or send: the planned crash comes before it or after it. */
  #step(): void {
    this.beforeStep(this.#allSteps++);
    this.#steps++;
    if (this.#steps === this.cancelAt) {
      this.cancelAt = Infinity;
      setImmediate(this.#cancel);
    }
    if (this.#steps < this.#crashAt) return;
    this.#crashAt = Infinity;
    this.#crash();
    if (this.#random() < 0.5) throw new Error('the owner is dead');
  }

  async #send(request: SendRequest): Promise<Answer> {
    const ids = idsIn(request);
    this.#inFlight += ids.length;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    try {
      return await this.#answer(ids, request.signal);
    } finally {
      this.#inFlight -= ids.length;
    }
  }

  async #answer(ids: readonly string[], signal: AbortSignal): Promise<Answer> {
    for (let turns = Math.floor(this.#random() * 6); turns >= 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const unanswered = { kind: 'unanswered', maybeSent: true, durationMs: 0 } as const;
    if (signal.aborted) return { ...unanswered, failure: 'aborted' };
    try {
      this.#step();
    } catch {
      return { ...unanswered, failure: 'aborted' };
    }
    this.requests.push(ids);
    const isPoison = ids.some((id) => this.poison.has(id));
    const refusal = isPoison ? 400 : ids.length > 1 ? this.batchStatus : null;
    if (refusal !== null) return { kind: 'answered', status: refusal, retryAfterMs: null, durationMs: 0 };
    const luck = this.#random();
    if (luck < 0.1) return { kind: 'answered', status: 503, retryAfterMs: null, durationMs: 0 };
    if (luck < 0.2) return { ...unanswered, failure: 'reset' };
    this.accepted.push(...ids);
    return { kind: 'answered', status: 200, retryAfterMs: null, durationMs: 0 };
  }

  #edges(name: string, watch: (detail: HeartbeatDetail) => void = () => undefined): Edges {
    const store = this.store.port();
    return {
      store: {
        ...store,
        heartbeat: (lease, leaseMs, progress, detail) => {
          watch(detail);
          return store.heartbeat(lease, leaseMs, progress, detail);
        },
        saveCut: (lease, write) => {
          if (write.detail) watch(write.detail);
          return store.saveCut(lease, write);
        },
      },
      log: this.log,
      sender: senderOf((request) => this.#send(request)),
      emit: (signal, fields) => {
        if (signal === 'job.moved' && 'fact' in fields) this.moves.push(`${name} ${fields.fact}`);
      },
      clock: systemClock,
      random: () => 0,
      budget: new MemoryBudget(10_000),
      turns: new TurnShare(),
      prover: NO_PROVING,
      together: new Together(systemClock),
      settings: {
        instance: asInstanceId(name),
        leaseMs: 60_000,
        heartbeatIntervalMs: this.#world.heartbeatIntervalMs ?? 10_000,
        cutIntervalMs: 2,
        settleMs: 0,
        siteDownMs: this.#world.siteDownMs ?? 60_000,
        mirrorWaitMs: 0,
        maxRepeat: this.#world.maxRepeat,
        maxRate: Infinity,
        concurrency: 16,
        requestTimeoutMs: 1_000,
        dedupeMaxEntries: 10_000,
        health: { failuresInARow: 3, probeBaseMs: 1, probeCapMs: 2, downLimitMs: 60_000 },
        retry: { maxAttempts: 1_000, maxAttemptsRejected: 3, baseMs: 1, capMs: 1, retryAfterCapMs: 1 },
      },
    };
  }
}
