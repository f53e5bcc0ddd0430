// The life of one claimed job in this process: a fresh machine actor with its children. A reclaim is never a
// restored actor: the history is folded up to the claim, the machine is hydrated there, and only then receives
// the committed claim, so entering STARTED starts everything anew.
// Ends when the machine leaves the leased states (whoever decided that), when the lease is lost, or when a
// child fails unexpectedly: then nothing is written, the lease runs out, and the job is claimed again.

import { createActor } from 'xstate';
import { messageOf } from '../domain/errors.ts';
import type { Fact } from '../domain/fact.ts';
import type { JobId } from '../domain/ids.ts';
import type { Claim, LeasedLook } from '../domain/store.ts';
import { possibleRepeats } from '../domain/undone.ts';
import { fold, hydrate, stateOf, statesTagged } from '../machines/replay-job/decide.ts';
import type { Decided } from '../machines/replay-job/decide.ts';
import { replayJobMachine } from '../machines/replay-job/machine.ts';
import { child } from './child.ts';
import { dedupe } from './dedupe.ts';
import { delivery } from './delivery.ts';
import { Detail } from './detail.ts';
import type { Edges } from './edges.ts';
import { Failover } from './failover.ts';
import { Gate } from './gate.ts';
import { heartbeat } from './heartbeat.ts';
import type { Lease } from './lease.ts';
import { offsetLookup } from './offset-lookup.ts';
import { partitionStream } from './partition-stream.ts';
import { jobGauges } from './pool-gauges.ts';
import type { JobGauges } from './pool-gauges.ts';
import { Progress } from './progress.ts';
import { Run } from './run.ts';
import { settleDown } from './settle-down.ts';

const LEASED = statesTagged('leased');

/** A job that runs in this process. */
export class RunningJob {
  readonly id: JobId;
  /** Resolves when nothing of the job runs here any more. */
  readonly ended: Promise<void>;
  readonly #run: Run;
  readonly #actor: ReturnType<typeof liveActor>;
  #end!: () => void;
  readonly #life = new AbortController();
  #stopped = false;
  #looking = false;

  /** `facts`: the job's whole history, with the claim in it. */
  constructor(claim: Claim, facts: readonly Fact[], lease: Lease, edges: Edges) {
    this.id = claim.job.id;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    const progress = new Progress(claim, edges.settings.maxRepeat);
    progress.mayHaveRepeated(possibleRepeats(facts));
    const run = new Run(claim, edges, lease, progress);
    this.#run = run;
    const detail = new Detail(run);
    run.detail = progress.detail = () => detail.now();
    const claimed = facts.findLastIndex((fact) => isClaim(fact) && fact.fence === claim.lease.fence);
    const last = facts.at(-1);
    if (claimed < 1 || !last) throw new Error(`the history of job ${claim.job.id} does not hold its claim`);
    this.#actor = liveActor(run, fold(facts.slice(0, claimed)));
    run.gate = new Gate(run, last.seq, (fact) => {
      this.#apply(fact);
    });
    run.failover = new Failover(run);
    run.tell = (event) => {
      if (!this.#stopped) this.#actor.send(event);
    };
    run.context = () => this.#actor.getSnapshot().context;
    run.crash = (error) => {
      edges.emit('job.crashed', { jobId: this.id, error: messageOf(error) });
      this.#stop();
    };
    run.fenced = (at) => {
      lease.lose();
      if (!this.#stopped) edges.emit('job.fenced', { jobId: this.id, fence: lease.key.fence, at });
      this.#stop();
    };
    // Without an observer a failing child would end the process.
    this.#actor.subscribe({ error: run.crash });
    this.#actor.start();
    // A request may have been recorded between the claim and the reading of the history.
    for (const fact of facts.slice(claimed)) this.#apply(fact);
  }

  /** For the metrics; ages in ms. A cut has no age while there is nothing to save. */
  get gauges(): JobGauges {
    return jobGauges(this.#run);
  }

  /** The record key while its log is looked up, or its group is waited for; null once it is read. */
  get awaitedKey(): string | null {
    return this.#run.phase === 'lookup' || this.#run.isGathering ? this.#run.job.spec.key : null;
  }

  /** What the instance's cheap look saw: others' requests are fetched and applied, a lost lease ends the run. */
  async looked(look: LeasedLook | undefined): Promise<void> {
    if (this.#stopped || this.#looking) return;
    this.#looking = true;
    try {
      await this.#look(look);
    } finally {
      this.#looking = false;
    }
  }

  async #look(look: LeasedLook | undefined): Promise<void> {
    const { gate, lease } = this.#run;
    if (look?.fence !== lease.key.fence) {
      // Not among this instance's leased jobs: ended by its own fact just now, or somebody else's.
      await gate.catchUp();
      if (!this.#stopped) this.#run.fenced('look');
      return;
    }
    if (look.version > gate.seq) await gate.catchUp();
    const { targetVersion } = this.#run;
    if (targetVersion !== null && look.webhookVersion !== targetVersion) await this.#run.retarget();
  }

  /** Stops delivering, settles what is in flight, writes the cut and releases the job. */
  release(why: string): void {
    this.#run.stopping = why;
    this.#endLookup();
    this.#run.wake();
  }

  /** Ends everything at once without a word to the database; the lease runs out by itself. */
  abandon(): void {
    this.#stop();
  }

  /** Before delivery lives, nobody else grants a wish to stop: a lookup may wait for its broker for ever. */
  #endLookup(): void {
    if (this.#run.phase === 'lookup')
      void settleDown(this.#run, false, this.#life.signal).catch(this.#run.crash);
  }

  #apply(fact: Fact): void {
    if (this.#stopped) return;
    if (isClaim(fact) && fact.fence !== this.#run.lease.key.fence) {
      // Another owner's claim must never move this actor: it would go on under a fence that is not its own.
      this.#run.fenced('history');
      return;
    }
    const before = stateOf(this.#actor.getSnapshot().value);
    if (fact.type === 'OFFSETS_RESOLVED') this.#run.openSources(fact.pins);
    if (fact.type === 'CONTINUED') this.#run.openSources(this.#run.context().pins ?? []);
    this.#actor.send(fact);
    const { value, context } = this.#actor.getSnapshot();
    const state = stateOf(value);
    const { emit } = this.#run.edges;
    if (fact.type === 'SITE_SWITCHED') {
      const { from: left, site, why, by } = fact;
      emit('job.site_switched', { jobId: this.id, from: left, site, why, by });
      if (before === 'ONGOING') this.#run.readOn(fact.pins);
      else if (this.#run.switching) {
        this.#run.progress.beganAgain(this.#run.switching.write);
        this.#run.switching.applied();
      }
    }
    const { fence } = context;
    emit('job.moved', { jobId: this.id, fact: fact.type, from: before, to: state, fence });
    if (LEASED.includes(state)) {
      this.#run.moved();
      this.#run.limitsChanged();
      if (context.wanted !== null) this.#endLookup();
      this.#run.wake();
      return;
    }
    const durationMs = fact.atMs - this.#run.job.createdAtMs;
    emit('job.ended', { jobId: this.id, state, outcome: context.outcome, durationMs });
    this.#stop();
  }

  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#life.abort();
    this.#actor.stop();
    this.#run.wake();
    this.#run.abortPipes();
    this.#run.budget.close();
    this.#end();
  }
}

function isClaim(fact: Fact): fact is Extract<Fact, { type: 'CLAIMED' | 'RECLAIMED' }> {
  return fact.type === 'CLAIMED' || fact.type === 'RECLAIMED';
}

function liveActor(run: Run, before: Decided) {
  const machine = replayJobMachine.provide({
    actors: {
      heartbeat: child(run, heartbeat),
      offsetLookup: child(run, offsetLookup),
      partitionStream: child(run, partitionStream),
      dedupe: child(run, dedupe),
      delivery: child(run, delivery),
    },
  });
  return createActor(machine, { snapshot: hydrate(before) });
}
