// The pool of one instance: claims jobs while it has free places, looks after those that run, and lets them go
// when the instance stops. Coordination with other instances is the database's alone; a nudge (a job was asked
// for here, or one ended) only saves the wait until the next poll.

import { messageOf } from '../domain/errors.ts';
import type { JobId } from '../domain/ids.ts';
import type { Claim, ClaimRequest, InstanceDetail } from '../domain/store.ts';
import type { Edges } from './edges.ts';
import { Gathering } from './gathering.ts';
import { RunningJob } from './job.ts';
import { Lease } from './lease.ts';
import { poolGauges } from './pool-gauges.ts';
import type { PoolReading } from './pool-gauges.ts';
import { pause } from '../domain/pause.ts';

export interface PoolSettings {
  readonly size: number;
  readonly pollIntervalMs: number;
  /** How often the requests of others are looked for. */
  readonly lookIntervalMs: number;
  /** Leases taken over per poll at most: a clock jump makes all of them look expired at once. */
  readonly reclaimsPerPoll: number;
}

const GONE_MS = 1_000;
/** Claims under way at a time: each is some five round trips and a sync of the disk, which others can share. */
const CLAIMERS = 4;

export class Pool {
  readonly #edges: Edges;
  readonly #settings: PoolSettings;
  readonly #describe: () => Omit<InstanceDetail, 'running' | 'poolSize'>;
  readonly #running = new Map<JobId, RunningJob>();
  readonly #stopping = new AbortController();
  #polling: Promise<unknown> = Promise.resolve();
  /** Loops that hold no work: a stop is clean without their end. */
  #watching: Promise<unknown> = Promise.resolve();
  #nudged: (() => void) | null = null;
  #isNudged = false;
  readonly #gathering = new Gathering();
  #claiming = 0;
  #reclaimedAtMs = -Infinity;

  constructor(
    edges: Edges,
    settings: PoolSettings,
    describe: () => Omit<InstanceDetail, 'running' | 'poolSize'>,
  ) {
    this.#edges = edges;
    this.#settings = settings;
    this.#describe = describe;
  }

  get running(): number {
    return this.#running.size;
  }

  gauges(): readonly PoolReading[] {
    const jobs = [...this.#running.values()].map((job) => job.gauges);
    const { log, budget } = this.#edges;
    return poolGauges(jobs, { sites: log.sites, memory: budget.used });
  }

  start(): void {
    this.#polling = this.#pollLoop();
    this.#watching = Promise.all([this.#lookLoop(), this.#aliveLoop()]);
  }

  /** There may be something to claim now. */
  nudge(): void {
    this.#isNudged = true;
    this.#nudged?.();
  }

  /** Claims nothing more, releases what runs, and resolves when all has settled or `deadlineMs` is over. */
  async stop(deadlineMs: number): Promise<{ readonly clean: boolean }> {
    this.#stopping.abort();
    this.#nudged?.();
    const deadline = new AbortController();
    const tooLate = pause(deadlineMs, deadline.signal).then(() => false);
    const clean = await Promise.race([this.#releaseAll(), tooLate]);
    deadline.abort();
    for (const job of this.#running.values()) job.abandon();
    // Only courtesy to who looks at the list: a database that is away must not hold up the stop.
    const { store, settings } = this.#edges;
    // After the last word of the loop that says the contrary.
    const gone = this.#watching.then(() => store.instanceGone(settings.instance)).catch(() => undefined);
    const enough = new AbortController();
    await Promise.race([gone, pause(GONE_MS, enough.signal)]);
    enough.abort();
    return { clean };
  }

  /** Those that run now at once, then the one that a poll was just claiming. */
  async #releaseAll(): Promise<true> {
    const release = async (): Promise<void> => {
      const jobs = [...this.#running.values()];
      for (const job of jobs) job.release('the instance stops');
      await Promise.all(jobs.map((job) => job.ended));
    };
    await Promise.all([release(), this.#polling]);
    await release();
    return true;
  }

  async #pollLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#isNudged = false;
      try {
        await this.#poll();
      } catch {
        // The store has said that the database is away; the next poll asks again.
      }
      await this.#untilNextPoll();
    }
  }

  async #poll(): Promise<void> {
    const { clock, emit } = this.#edges;
    const startedMs = clock.monoMs();
    const reclaimed = await this.#reclaim();
    const mayClaim = (): boolean => this.#free > 0 && !this.#stopping.signal.aborted;
    // Alone at first: mostly there is nothing, and to learn that takes one question.
    let claimed = mayClaim() && (await this.#claim()) ? 1 : 0;
    const claimer = async (): Promise<void> => {
      while (mayClaim() && (await this.#claim())) claimed++;
    };
    const claimers = Array.from({ length: Math.min(CLAIMERS * claimed, Math.max(0, this.#free)) }, claimer);
    const ends = await Promise.allSettled(claimers); // a stop waits for all of them
    emit('pool.polled', { claimed, reclaimed, durationMs: clock.monoMs() - startedMs });
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Places that nobody has, and that no claim under way may need. */
  get #free(): number {
    return this.#settings.size - this.#running.size - this.#claiming;
  }

  /** Not at every nudge: while small jobs end many times per second, a lease that ended can wait for the poll. */
  async #reclaim(): Promise<number> {
    const { store, clock, emit } = this.#edges;
    const { reclaimsPerPoll, pollIntervalMs } = this.#settings;
    const from = Lease.moment(clock);
    if (this.#free <= 0 || from.monoMs - this.#reclaimedAtMs < pollIntervalMs / 2) return 0;
    this.#reclaimedAtMs = from.monoMs;
    const claims = await store.reclaim(this.#request(), Math.min(this.#free, reclaimsPerPoll));
    for (const claim of claims) {
      emit('job.reclaimed', { jobId: claim.job.id, fence: claim.lease.fence });
      await this.#run(claim, from);
    }
    return claims.length;
  }

  /** False when there was nothing to claim. */
  async #claim(): Promise<boolean> {
    const { store, clock, emit } = this.#edges;
    this.#claiming++;
    try {
      const from = Lease.moment(clock);
      const claim = await store.claim({ ...this.#request(), ...this.#preference() });
      if (!claim) return false;
      emit('job.claimed', { jobId: claim.job.id, fence: claim.lease.fence });
      await this.#run(claim, from);
      return true;
    } finally {
      this.#claiming--;
    }
  }

  #preference(): Pick<ClaimRequest, 'gather'> {
    const keys = [...this.#running.values()].map(({ awaitedKey }) => awaitedKey);
    return this.#gathering.preference(
      this.#edges.log.reading(),
      keys.filter((key) => key !== null),
    );
  }

  #request(): ClaimRequest {
    const { instance, leaseMs, maxRepeat } = this.#edges.settings;
    return { instance, leaseMs, maxRepeat };
  }

  async #run(claim: Claim, from: ReturnType<typeof Lease.moment>): Promise<void> {
    const { store, settings, clock, emit } = this.#edges;
    const { id } = claim.job;
    try {
      const facts = await store.factsAfter(id, 0);
      const lease = new Lease(claim.lease, settings.leaseMs, clock, from);
      const job = new RunningJob(claim, facts, lease, this.#edges);
      this.#running.get(id)?.abandon();
      this.#running.set(id, job);
      const { groupId } = claim.job.spec;
      if (groupId !== null) this.#edges.together.comes(groupId, id);
      void job.ended.then(() => {
        if (groupId !== null) this.#edges.together.gone(groupId, id);
        if (this.#running.get(id) === job) this.#running.delete(id);
        this.nudge();
      });
    } catch (error) {
      // Claimed but not begun: the lease runs out and the job is claimed again.
      emit('job.crashed', { jobId: id, error: messageOf(error) });
    }
  }

  async #lookLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await pause(this.#settings.lookIntervalMs, signal);
      if (this.#running.size === 0 || signal.aborted) continue;
      await this.#look().catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const watched = [...this.#running.values()];
    const looks = await this.#edges.store.look(this.#edges.settings.instance);
    const byId = new Map(looks.map((look) => [look.jobId, look]));
    // Not awaited: one job that waits for a lock must not hide the requests for the others.
    for (const job of watched) void job.looked(byId.get(job.id)).catch(() => undefined);
  }

  async #aliveLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { store, settings } = this.#edges;
    while (!signal.aborted) {
      const detail = { ...this.#describe(), poolSize: this.#settings.size, running: this.#running.size };
      await store.instanceAlive(settings.instance, detail).catch(() => undefined);
      await pause(settings.heartbeatIntervalMs, signal);
    }
  }

  async #untilNextPoll(): Promise<void> {
    if (this.#isNudged || this.#stopping.signal.aborted) return;
    const woken = new AbortController();
    this.#nudged = () => {
      woken.abort();
    };
    const wake = this.#nudged;
    this.#stopping.signal.addEventListener('abort', wake);
    await pause(this.#settings.pollIntervalMs, woken.signal);
    this.#stopping.signal.removeEventListener('abort', wake);
    this.#nudged = null;
  }
}
