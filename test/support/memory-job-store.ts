// A JobStore of one job in memory, by the same machine as the real one: for property tests that crash owners
// thousands of times. Writes are atomic; a crash may come before or after one (`beforeWrite`). That it answers as
// the real one does is test/integration/store/contract.test.ts's business.

import type { Cut } from '../../src/domain/cut.ts';
import type { Fact, Proposal, TakesUp } from '../../src/domain/fact.ts';
import { asInstanceId, asJobId, asTenantId } from '../../src/domain/ids.ts';
import { NO_COUNTS } from '../../src/domain/job.ts';
import type { JobSpec } from '../../src/domain/job.ts';
import { SINGLE } from '../../src/domain/message.ts';
import type { DeliveryProfile } from '../../src/domain/message.ts';
import { UNPROVEN } from '../../src/domain/proof.ts';
import type { WebhookProfile } from '../../src/domain/proof.ts';
import type { Claim, ClaimRequest, CommitResult, CutWrite, HeartbeatDetail } from '../../src/domain/store.ts';
import type { ReplayStore, SteerRequest } from '../../src/domain/replay-store.ts';
import type { JobStore, JobView, LeaseKey } from '../../src/domain/store.ts';
import { decide, fold, followUp, statesTagged } from '../../src/machines/replay-job/decide.ts';
import type { Decided } from '../../src/machines/replay-job/decide.ts';
import { MemoryCut } from './memory-cut.ts';

const LEASED = statesTagged('leased');
const ENDED = statesTagged('terminal');

export class MemoryJobStore extends MemoryCut {
  readonly id = asJobId('1');
  readonly facts: Fact[] = [];
  /** Called before each write of an owner; throw to lose it. */
  beforeWrite: () => void = () => undefined;
  /** How the webhook wants its events packed. */
  delivery: DeliveryProfile = SINGLE;
  /** In whose words the webhook is spoken to. */
  profile: WebhookProfile = 'standard';
  /** The database's clock. */
  clockMs = 1_000_000_000;
  #lease: { readonly token: string; readonly untilMs: number } | null = null;
  #heartbeat: { readonly detail: HeartbeatDetail; readonly atMs: number | null } | null = null;
  #job: Decided | null = null;

  /** `from`: what the job takes up of another one. */
  constructor(
    spec: JobSpec,
    from?: { readonly takesUp: TakesUp; readonly cut: Cut; readonly matched: number },
  ) {
    super();
    if (from) {
      this.cut = from.cut;
      this.counts = { ...NO_COUNTS, matched: from.matched };
    }
    this.#write({ type: 'REQUESTED', spec, by: 'test', ...(from && { takesUp: from.takesUp }) });
  }

  get job(): Decided {
    if (!this.#job) throw new Error('no job');
    return this.#job;
  }

  /** CLAIMED when OPEN, RECLAIMED when leased: the caller says that the lease has ended. */
  claim(owner: string, maxRepeat: number, leaseMs = Infinity): Claim {
    const fence = this.job.context.fence + 1;
    const type = this.job.state === 'OPEN' ? 'CLAIMED' : 'RECLAIMED';
    this.#write({ type, fence, owner: asInstanceId(owner), maxRepeat, progress: this.progress });
    const token = `${owner}-${fence}`;
    this.#lease = { token, untilMs: this.clockMs + leaseMs };
    this.#heartbeat = null;
    return {
      lease: { jobId: this.id, fence, token },
      job: this.view(),
      letters: this.letters,
      minutes: [...this.minutes.values()],
    };
  }

  /** The lease ends now, by the database's clock. */
  endLease(): void {
    if (this.#lease) this.clockMs = this.#lease.untilMs + 1;
  }

  /** The owner's port. */
  port(): JobStore {
    return {
      claim: ({ instance, maxRepeat, leaseMs }) =>
        Promise.resolve(this.#job?.state === 'OPEN' ? this.claim(instance, maxRepeat, leaseMs) : null),
      reclaim: (request, limit) => Promise.resolve(limit > 0 ? this.#reclaim(request) : []),
      commit: (id, proposal, lease, write) =>
        this.#attempt(() => {
          if (id !== this.id || !this.#job) return { ok: false, why: 'unknown_job', state: null };
          return this.#commit(proposal, lease, write);
        }),
      saveCut: (lease, write) =>
        this.#attempt(() => {
          if (!this.#holds(lease)) return 'fenced';
          this.keep(write);
          if (write.detail) this.#heartbeat = { atMs: null, ...this.#heartbeat, detail: write.detail };
          return 'saved';
        }),
      heartbeat: (lease, leaseMs, progress, detail) =>
        this.#attempt(() => {
          if (!this.#holds(lease)) return 'lost';
          this.progress = progress;
          this.#lease = { token: lease.token, untilMs: this.clockMs + leaseMs };
          this.#heartbeat = { detail, atMs: this.clockMs };
          return 'held';
        }),
      look: (instance) => Promise.resolve(this.#look(instance)),
      factsAfter: (_id, after) => Promise.resolve(this.facts.filter(({ seq }) => seq > after)),
      target: (webhookId) =>
        Promise.resolve({
          webhookId,
          version: 1,
          url: 'https://receiver.test/',
          secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='],
          maxRate: null,
          concurrency: null,
          delivery: this.delivery,
          contentType: 'application/json',
          headers: [],
          profile: this.profile,
          validity: UNPROVEN,
        }),
      instanceAlive: () => Promise.resolve(),
      instanceGone: () => Promise.resolve(),
      pruneKeys: () => Promise.resolve(0),
      prune: (retentionMs, limit) => Promise.resolve(limit > 0 ? this.#prune(retentionMs) : 0),
      nowMs: () => Promise.resolve(this.clockMs),
    };
  }

  /** What clients reach of it. */
  clientPort(): Pick<ReplayStore, 'replay' | 'steer'> {
    const isThere = (id: string): boolean => id === this.id && this.#job !== null;
    return {
      replay: (_tenant, id) => Promise.resolve(isThere(id) ? this.view() : null),
      steer: (_tenant, id, request) =>
        Promise.resolve(
          isThere(id) ? this.request(this.#asked(request)) : { ok: false, why: 'unknown_job', state: null },
        ),
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
      maxRepeat: context.owner === null ? 0 : context.maxRepeat,
      progress: this.progress,
      heartbeat: this.#heartbeat?.detail ?? null,
      heartbeatAtMs: this.#heartbeat?.atMs ?? null,
      leaseUntilMs: this.#lease?.untilMs ?? null,
      gaps: [...this.gaps],
      createdAtMs: this.facts[0]?.atMs ?? 0,
      updatedAtMs: lastFact?.atMs ?? 0,
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
    const beginsLease = proposal.type === 'CLAIMED' || proposal.type === 'RECLAIMED';
    if (beginsLease || !this.#decide(proposal, write)) return { ok: false, why: 'illegal', state };
    if (write) this.keep(write);
    const committed = [this.#write(proposal), ...this.#follow()];
    return { ok: true, facts: committed, state: this.job.state };
  }

  /** What follows by itself. Nobody's lease and heartbeat outlive its leased state. */
  #follow(): readonly Fact[] {
    const facts: Fact[] = [];
    for (let next = followUp(this.job); next; next = followUp(this.job)) facts.push(this.#write(next));
    if (!LEASED.includes(this.job.state)) {
      this.#lease = null;
      this.#heartbeat = null;
    }
    return facts;
  }

  #reclaim({ instance, maxRepeat, leaseMs }: ClaimRequest): readonly Claim[] {
    if (!this.#lease || this.#lease.untilMs >= this.clockMs) return [];
    const claim = this.claim(instance, maxRepeat, leaseMs);
    this.#follow();
    return LEASED.includes(this.job.state) ? [claim] : [];
  }

  #look(instance: string) {
    if (!this.#job) return [];
    const { state, context } = this.#job;
    if (!LEASED.includes(state) || context.owner !== instance) return [];
    const { fence, wanted } = context;
    return [{ jobId: this.id, version: this.facts.length, state, fence, wanted, webhookVersion: 1 }];
  }

  #prune(retentionMs: number): number {
    const endedMs = this.facts.at(-1)?.atMs ?? Infinity;
    if (!this.#job || !ENDED.includes(this.#job.state) || endedMs >= this.clockMs - retentionMs) return 0;
    this.#job = null;
    this.facts.length = 0;
    return 1;
  }

  #asked(request: SteerRequest): Proposal {
    if (!('change' in request)) return request;
    const { change, ...who } = request;
    return { ...who, limits: { ...this.job.context.limits, ...change } };
  }

  #holds(lease: LeaseKey): boolean {
    if (lease.jobId !== this.id || !this.#job || !LEASED.includes(this.#job.state)) return false;
    return this.#job.context.fence === lease.fence && this.#lease?.token === lease.token;
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
