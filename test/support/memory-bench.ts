// One job in memory and its real owners, each under the test's control: which batches its log gives, which events
// its receiver answers, and what time it is. Nothing here is random; memory-stage.ts is for that.

import { vi } from 'vitest';
import type { Edges } from '../../src/actors/edges.ts';
import { RunningJob } from '../../src/actors/job.ts';
import { Lease } from '../../src/actors/lease.ts';
import { MemoryBudget } from '../../src/actors/memory-budget.ts';
import { NO_PROVING } from '../../src/actors/prover.ts';
import { Together } from '../../src/actors/together.ts';
import { TurnShare } from '../../src/actors/turn-share.ts';
import { asInstanceId } from '../../src/domain/ids.ts';
import type { EventBatch, LogStream, StreamRequest } from '../../src/domain/log.ts';
import type { Answer, SendRequest } from '../../src/domain/sender.ts';
import type { JobStore } from '../../src/domain/store.ts';
import { MemoryJobStore } from './memory-job-store.ts';
import { MemoryLog } from './memory-log.ts';
import { spec } from './memory-stage.ts';
import { headersOf, senderOf } from './promised-sender.ts';

export const LEASE_MS = 10_000;
const STEP_MS = LEASE_MS / 10;
/** A round of the heartbeat looks at the clock a few times. */
const MANY_LOOKS = 100;

/** Gives the first batch of each source, then tells `stuck` and gives nothing more. */
export class StuckLog extends MemoryLog {
  /** What the stream does when it gets stuck; by default it says nothing. */
  stuck: (request: StreamRequest) => void = () => undefined;

  override stream(request: StreamRequest, signal: AbortSignal): LogStream {
    const stream = super.stream(request, signal);
    let batches = 0;
    const hang = (): Promise<EventBatch> => {
      this.stuck(request);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(new DOMException('the run is over', 'AbortError'));
        });
      });
    };
    return { next: () => (batches++ === 0 ? stream.next() : hang()), close: () => stream.close() };
  }
}

export class Bench {
  readonly store = new MemoryJobStore(spec);
  /** Ids of the events that were answered with 200, by whichever owner. */
  readonly accepted: string[] = [];
  /** Everybody's clock. */
  nowMs = 0;
  beats = 0;
  /** As the database has it. */
  leaseUntilMs = 0;
  isDoubtful = false;
  #looks = 0;
  readonly #owners: RunningJob[] = [];
  readonly #clock = { monoMs: () => this.#look(), wallMs: () => this.#look() };

  /** A new owner; its receiver never answers the events that `answers` says false of. */
  own(name: string, log: MemoryLog, answers: (id: string) => boolean = () => true): RunningJob {
    const claim = this.store.claim(name, 1_000);
    this.leaseUntilMs = this.nowMs + LEASE_MS;
    const lease = new Lease(claim.lease, LEASE_MS, this.#clock, Lease.moment(this.#clock));
    const owner = new RunningJob(claim, [...this.store.facts], lease, this.#edges(name, log, answers));
    this.#owners.push(owner);
    return owner;
  }

  /**
   * Moves the clock until an owner doubts its lease, but no longer than `mostMs`; how long that was. Each step is
   * taken when the owner has beaten, or has looked at the clock many times without: nobody waits for a beat that
   * does not come.
   */
  async untilDoubtful(mostMs: number): Promise<number> {
    const fromMs = this.nowMs;
    while (!this.isDoubtful && this.nowMs - fromMs < mostMs) {
      const { beats } = this;
      this.nowMs += STEP_MS;
      this.#looks = 0;
      const isOver = (): boolean => this.beats > beats || this.isDoubtful || this.#looks > MANY_LOOKS;
      await vi.waitUntil(isOver, { timeout: 20_000, interval: 1 });
    }
    return this.nowMs - fromMs;
  }

  end(): void {
    for (const owner of this.#owners) owner.abandon();
  }

  #look(): number {
    this.#looks++;
    return this.nowMs;
  }

  #port(): JobStore {
    const port = this.store.port();
    return {
      ...port,
      heartbeat: async (...words) => {
        const answer = await port.heartbeat(...words);
        if (answer === 'held') this.leaseUntilMs = this.nowMs + LEASE_MS;
        this.beats++;
        return answer;
      },
    };
  }

  #send(request: SendRequest, answers: (id: string) => boolean): Promise<Answer> {
    const { signal } = request;
    const id = headersOf(request)['webhook-id'] ?? '';
    if (answers(id)) {
      this.accepted.push(id);
      return Promise.resolve({ kind: 'answered', status: 200, retryAfterMs: null, durationMs: 0 });
    }
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        resolve({ kind: 'unanswered', failure: 'aborted', maybeSent: true, durationMs: 0 });
      });
    });
  }

  #edges(name: string, log: MemoryLog, answers: (id: string) => boolean): Edges {
    return {
      store: this.#port(),
      log,
      sender: senderOf((request) => this.#send(request, answers)),
      emit: (signal) => {
        if (signal === 'lease.doubtful') this.isDoubtful = true;
      },
      clock: this.#clock,
      random: () => 0,
      budget: new MemoryBudget(1_000_000),
      turns: new TurnShare(),
      prover: NO_PROVING,
      together: new Together(this.#clock),
      settings: {
        instance: asInstanceId(name),
        leaseMs: LEASE_MS,
        heartbeatIntervalMs: 1,
        cutIntervalMs: 1,
        settleMs: 0,
        siteDownMs: 60_000,
        mirrorWaitMs: 0,
        maxRepeat: 1_000,
        maxRate: Infinity,
        concurrency: 4,
        requestTimeoutMs: 1_000,
        dedupeMaxEntries: 1_000,
        health: { failuresInARow: 3, probeBaseMs: 1, probeCapMs: 2, downLimitMs: 60_000 },
        retry: { maxAttempts: 1_000, maxAttemptsRejected: 3, baseMs: 1, capMs: 1, retryAfterCapMs: 1 },
      },
    };
  }
}
