// A small model of jobs, webhooks and instances: what the store has to answer, said once more without the machine,
// the SQL and each other's mistakes. Owned here: who has the turn, whose lease counts, what each fact leads to.

import type { FactType } from '../../../src/domain/fact.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { JobState, Wanted } from '../../../src/domain/job.ts';
import type { LeaseKey } from '../../../src/domain/store.ts';

/** So many owners in a row may be lost without progress. */
const IDLE_RECLAIMS = 10;

export interface ModelJob {
  readonly id: JobId;
  readonly webhook: number;
  state: JobState;
  turn: boolean;
  fence: number;
  wanted: Wanted | null;
  ends: 'unpinned' | 'following' | 'pinned';
  owner: string | null;
  /** Every lease that was ever given; the last one counts while the state is a leased one. */
  readonly leases: LeaseKey[];
  /** When its lease ended, as a number that rises; null = it has not. */
  endedAt: number | null;
  progress: number;
  progressAtClaim: number;
  idle: number;
}

export type Answer = 'ok' | 'illegal' | 'fenced';

const isLeased = ({ state }: ModelJob): boolean => state === 'STARTED' || state === 'ONGOING';
const byId = (a: ModelJob, b: ModelJob): number => (BigInt(a.id) < BigInt(b.id) ? -1 : 1);

export class Model {
  readonly jobs: ModelJob[] = [];
  #clock = 0;

  at(pick: number): ModelJob {
    const job = this.jobs[pick % this.jobs.length];
    if (!job) throw new Error('no job yet');
    return job;
  }

  /** The same among those that have an owner, while there is one. */
  owned(pick: number): ModelJob {
    const owned = this.jobs.filter(isLeased);
    return owned[pick % owned.length] ?? this.at(pick);
  }

  /** The same among those that wait for a word to go on, or are about to. */
  resumable(pick: number): ModelJob {
    const paused = this.jobs.filter(({ state, wanted }) => state === 'PAUSED' || wanted === 'pause');
    return paused[pick % paused.length] ?? this.at(pick);
  }

  born(id: JobId, webhook: number): void {
    const turn = this.#isFree(webhook);
    const fresh = { fence: 0, wanted: null, ends: 'unpinned', owner: null, endedAt: null } as const;
    const zero = { progress: 0, progressAtClaim: 0, idle: 0 };
    this.jobs.push({ id, webhook, state: 'OPEN', turn, ...fresh, ...zero, leases: [] });
  }

  /** The one that the next claim gets. */
  claimable(): ModelJob | null {
    return this.jobs.filter(({ state, turn }) => state === 'OPEN' && turn).sort(byId)[0] ?? null;
  }

  claimed(job: ModelJob, lease: LeaseKey, owner: string): void {
    job.idle = 0;
    this.#begin(job, owner);
    job.leases.push(lease);
  }

  /** Those whose lease has ended, longest ago first. */
  lost(): readonly ModelJob[] {
    const ended = this.jobs.filter(({ endedAt }) => endedAt !== null);
    return ended.sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  }

  /** Tells whether somebody has it now, or the loss ended it. */
  reclaimed(job: ModelJob, owner: string): boolean {
    job.idle = job.progress === job.progressAtClaim ? job.idle + 1 : 0;
    this.#begin(job, owner);
    if (job.wanted) this.#end(job, job.wanted === 'pause' ? 'PAUSED' : 'CANCELLED');
    else if (job.idle >= IDLE_RECLAIMS) this.#end(job, 'FAILED');
    return isLeased(job);
  }

  holds(job: ModelJob, lease: LeaseKey): boolean {
    const last = job.leases.at(-1);
    return isLeased(job) && last?.fence === lease.fence && last.token === lease.token;
  }

  /** A live owner, late or not, may say so as long as nobody took over. */
  beaten(job: ModelJob, progress: number): void {
    job.endedAt = null;
    job.progress = progress;
  }

  expire(job: ModelJob): void {
    if (isLeased(job)) job.endedAt = this.#clock++;
  }

  looked(owner: string): readonly ModelJob[] {
    return this.jobs.filter((job) => isLeased(job) && job.owner === owner);
  }

  /** The owner's fact; `n` as in proposalOf. */
  commit(job: ModelJob, lease: LeaseKey, skew: number, type: FactType, n: number): Answer {
    if (!this.holds(job, lease)) return 'fenced';
    const to = skew === 0 ? this.#after(job, type, n) : null;
    if (to === null) return 'illegal';
    this.#move(job, to);
    return 'ok';
  }

  /** What its owner would say next. */
  nextFact({ state, ends, wanted }: ModelJob): FactType {
    if (wanted !== null) return wanted === 'pause' ? 'PAUSED' : 'CANCELLED';
    if (state === 'STARTED') return ends === 'unpinned' ? 'OFFSETS_RESOLVED' : 'CONTINUED';
    return ends === 'following' ? 'ENDS_PINNED' : 'DRAINED';
  }

  steer(job: ModelJob, type: FactType): Answer {
    const { state, wanted } = job;
    const unowned = state === 'OPEN' || state === 'PAUSED';
    if (!unowned && !isLeased(job)) return 'illegal';
    if (type === 'RESUME_REQUESTED') {
      if (state === 'PAUSED') this.#move(job, 'OPEN');
      else if (wanted === 'pause') job.wanted = null;
      else return 'illegal';
      return 'ok';
    }
    const isPause = type === 'PAUSE_REQUESTED';
    if (wanted === 'cancel' || (isPause && state === 'PAUSED')) return 'illegal';
    job.wanted = isPause ? 'pause' : 'cancel';
    if (unowned) this.#end(job, isPause ? 'PAUSED' : 'CANCELLED');
    return 'ok';
  }

  /** Where the fact leads, or null; pins and ends are noted on the way. */
  #after(job: ModelJob, type: FactType, n: number): JobState | null {
    const { state, ends, wanted } = job;
    const isFirst = state === 'STARTED' && ends === 'unpinned';
    switch (type) {
      case 'OFFSETS_RESOLVED':
        if (isFirst) job.ends = n % 2 ? 'pinned' : 'following';
        return isFirst ? 'ONGOING' : null;
      case 'CONTINUED':
        return state === 'STARTED' && ends !== 'unpinned' ? 'ONGOING' : null;
      case 'NOTHING_TO_REPLAY':
        return isFirst ? 'COMPLETED' : null;
      case 'ENDS_PINNED':
        if (state !== 'ONGOING' || ends !== 'following') return null;
        job.ends = 'pinned';
        return 'ONGOING';
      case 'DRAINED':
        return state === 'ONGOING' && ends === 'pinned' ? 'COMPLETED' : null;
      case 'RELEASED':
        return 'OPEN';
      case 'FAILED':
        return 'FAILED';
      case 'PAUSED':
        return wanted === 'pause' || (n % 2 === 0 && wanted === null) ? 'PAUSED' : null;
      case 'CANCELLED':
        return wanted === 'cancel' ? 'CANCELLED' : null;
      case 'REQUESTED':
      case 'CLAIMED':
      case 'RECLAIMED':
      case 'RESUMED':
      case 'PAUSE_REQUESTED':
      case 'RESUME_REQUESTED':
      case 'CANCEL_REQUESTED':
        return null;
      case 'SITE_SWITCHED':
      case 'LIMITS_CHANGED':
        throw new Error(`${type} is not modelled`);
    }
  }

  #begin(job: ModelJob, owner: string): void {
    job.state = 'STARTED';
    job.fence++;
    job.owner = owner;
    job.endedAt = null;
    job.progressAtClaim = job.progress;
  }

  /** A release is followed at once by the pause or cancel that was asked for. */
  #move(job: ModelJob, to: JobState): void {
    if (to === 'STARTED' || to === 'ONGOING') job.state = to;
    else if (to === 'OPEN' && job.wanted) this.#end(job, job.wanted === 'pause' ? 'PAUSED' : 'CANCELLED');
    else this.#end(job, to);
  }

  /** Without an owner from here on. OPEN keeps the turn, or takes it where nobody has it; else it goes to the next. */
  #end(job: ModelJob, state: JobState): void {
    job.state = state;
    job.owner = null;
    job.endedAt = null;
    if (state === 'OPEN') {
      job.turn ||= this.#isFree(job.webhook);
      return;
    }
    job.wanted = null;
    if (!job.turn) return;
    job.turn = false;
    const next = this.jobs
      .filter((each) => each.webhook === job.webhook && each.state === 'OPEN')
      .sort(byId)[0];
    if (next) next.turn = true;
  }

  #isFree(webhook: number): boolean {
    return !this.jobs.some((job) => job.webhook === webhook && job.turn);
  }
}
