// A JobStore of one job in memory, by the same machine as the real one: for property tests that crash owners
// thousands of times. Writes are atomic; a crash may come before or after one (`beforeWrite`).

import type { Cut } from '../../src/domain/cut.ts';
import type { Fact, Proposal } from '../../src/domain/fact.ts';
import { asInstanceId, asJobId, asTenantId } from '../../src/domain/ids.ts';
import type { Counts, DeadLetter, Gap, JobSpec } from '../../src/domain/job.ts';
import { NO_COUNTS } from '../../src/domain/job.ts';
import type { MinuteEntry } from '../../src/domain/minute-ledger.ts';
import type { Claim, CommitResult, CutWrite, JobStore, JobView, LeaseKey } from '../../src/domain/store.ts';
import { decide, fold, followUp, statesTagged } from '../../src/machines/replay-job/decide.ts';
import type { Decided } from '../../src/machines/replay-job/decide.ts';

const LEASED = statesTagged('leased');

export class MemoryJobStore {
  readonly id = asJobId('1');
  readonly facts: Fact[] = [];
  readonly deadLetters = new Map<string, DeadLetter>();
  readonly minutes = new Map<number, MinuteEntry>();
  readonly gaps: Gap[] = [];
  cut: Cut | null = null;
  counts: Counts = NO_COUNTS;
  progress = 0;
  /** Called before each write of an owner; throw to lose it. */
  beforeWrite: () => void = () => undefined;
  /** The database's clock. */
  clockMs = 1_000_000_000;
  #token = '';
  #job: Decided | null = null;

  constructor(spec: JobSpec) {
    this.#write({ type: 'REQUESTED', spec, by: 'test' });
  }

  get job(): Decided {
    if (!this.#job) throw new Error('no job');
    return this.#job;
  }

  /** CLAIMED when OPEN, RECLAIMED when leased: the caller says that the lease has ended. */
  claim(owner: string, maxRepeat: number): Claim {
    const fence = this.job.context.fence + 1;
    const type = this.job.state === 'OPEN' ? 'CLAIMED' : 'RECLAIMED';
    this.#write({ type, fence, owner: asInstanceId(owner), maxRepeat, progress: this.progress });
    this.#token = `${owner}-${fence}`;
    return {
      lease: { jobId: this.id, fence, token: this.#token },
      job: this.view(),
      minutes: [...this.minutes.values()],
    };
  }

  /** The owner's port. */
  port(): JobStore {
    return {
      claim: () => Promise.resolve(null),
      reclaim: () => Promise.resolve([]),
      commit: (_id, proposal, lease, write) => this.#attempt(() => this.#commit(proposal, lease, write)),
      saveCut: (lease, write) =>
        this.#attempt(() => {
          if (!this.#holds(lease)) return 'fenced';
          this.#store(write);
          return 'saved';
        }),
      heartbeat: (lease, _leaseMs, progress) =>
        this.#attempt(() => {
          if (!this.#holds(lease)) return 'lost';
          this.progress = progress;
          return 'held';
        }),
      look: () => Promise.resolve([]),
      factsAfter: (_id, after) => Promise.resolve(this.facts.filter(({ seq }) => seq > after)),
      target: (webhookId) =>
        Promise.resolve({
          webhookId,
          version: 1,
          url: 'https://receiver.test/',
          secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='],
          maxRate: null,
          concurrency: null,
        }),
      instanceAlive: () => Promise.resolve(),
      instanceGone: () => Promise.resolve(),
      nowMs: () => Promise.resolve(this.clockMs),
    };
  }

  /** Commits a request as another instance would. */
  request(proposal: Proposal): CommitResult {
    return this.#commit(proposal, null);
  }

  view(): JobView {
    const { state, context } = this.job;
    if (!context.spec) throw new Error('no spec');
    const { lastFact, ...rest } = context;
    return {
      ...rest,
      id: this.id,
      tenant: asTenantId('default'),
      state,
      version: lastFact?.seq ?? 0,
      spec: context.spec,
      cut: this.cut,
      counts: this.counts,
      progress: this.progress,
      heartbeat: null,
      heartbeatAtMs: null,
      leaseUntilMs: null,
      gaps: [...this.gaps],
      createdAtMs: 0,
      updatedAtMs: 0,
    };
  }

  /** Throws unless the history folds to the present job. */
  check(): void {
    const folded = fold(this.facts);
    if (JSON.stringify(folded) !== JSON.stringify(this.job))
      throw new Error('the history folds to another job');
  }

  async #attempt<Answer>(write: () => Answer): Promise<Answer> {
    await new Promise((resolve) => setImmediate(resolve));
    this.beforeWrite();
    return write();
  }

  #commit(proposal: Proposal, lease: LeaseKey | null, write?: CutWrite): CommitResult {
    const { state } = this.job;
    if (lease && !this.#holds(lease)) return { ok: false, why: 'fenced', state };
    const committed: Fact[] = [];
    const first = this.#decide(proposal, write);
    if (!first) return { ok: false, why: 'illegal', state };
    if (write) this.#store(write);
    committed.push(this.#write(proposal));
    for (let next = followUp(this.job); next; next = followUp(this.job)) committed.push(this.#write(next));
    return { ok: true, facts: committed, state: this.job.state };
  }

  #holds(lease: LeaseKey): boolean {
    const { state, context } = this.job;
    return LEASED.includes(state) && context.fence === lease.fence && this.#token === lease.token;
  }

  #store(write: CutWrite): void {
    this.cut = structuredClone(write.cut);
    this.counts = { ...write.counts };
    this.progress = write.progress;
    for (const letter of write.deadLetters) this.deadLetters.set(`${letter.source}@${letter.offset}`, letter);
    for (const entry of write.minutes) this.minutes.set(entry.minute, entry);
    this.gaps.push(...write.gaps);
  }

  #stamp(proposal: Proposal, write?: CutWrite): Fact {
    const cut = write?.cut ?? this.cut;
    return {
      ...proposal,
      seq: this.facts.length + 1,
      atMs: this.clockMs,
      cut,
      counts: write?.counts ?? this.counts,
    };
  }

  #decide(proposal: Proposal, write?: CutWrite): Decided | null {
    return decide(this.#job, this.#stamp(proposal, write));
  }

  #write(proposal: Proposal): Fact {
    const fact = structuredClone(this.#stamp(proposal));
    const next = decide(this.#job, fact);
    if (!next) throw new Error(`${proposal.type} is illegal in ${this.#job?.state ?? 'NEW'}`);
    this.#job = next;
    this.facts.push(fact);
    return fact;
  }
}
