// The write-ahead gate of one job: ask, write, then let it happen. A child proposes a fact; the store decides
// and commits it under the fence; only then the live actor receives it, and with it every fact that somebody
// else committed meanwhile, in the order of their seq. Cuts go through the same door, one write at a time, so
// that an older cut never follows a newer one.

import type { Fact, Proposal } from '../domain/fact.ts';
import { messageOf } from '../domain/errors.ts';
import type { CutWrite } from '../domain/store.ts';
import type { Edges } from './edges.ts';
import type { Lease } from './lease.ts';
import { pause } from '../domain/pause.ts';
import type { Progress, TakenWrite } from './progress.ts';

const DATABASE_RETRY_MS = 500;

export type GateAnswer = 'committed' | 'refused' | 'fenced';

export interface ProposeOptions {
  /** Instead of the owner's present cut. */
  readonly write?: CutWrite;
  /**
   * Asked when it is the proposal's turn: facts of others may have been applied since it was made. False = refused.
   */
  readonly isReady?: () => boolean;
}

/** What the gate needs of its run. */
interface GatedRun {
  readonly edges: Pick<Edges, 'store' | 'emit' | 'clock'>;
  readonly lease: Lease;
  readonly progress: Progress;
  readonly context: () => { readonly pins: readonly unknown[] | null };
}

export class Gate {
  readonly #run: GatedRun;
  readonly #edges: GatedRun['edges'];
  readonly #lease: Lease;
  readonly #progress: Progress;
  readonly #apply: (fact: Fact) => void;
  #seq: number;
  #tail: Promise<unknown> = Promise.resolve();

  /** `seq`: of the last fact that the live actor has; `apply` hands it the next ones. */
  constructor(run: GatedRun, seq: number, apply: (fact: Fact) => void) {
    this.#run = run;
    this.#edges = run.edges;
    this.#lease = run.lease;
    this.#progress = run.progress;
    this.#seq = seq;
    this.#apply = apply;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Commits a fact with the owner's present cut; rejects when the database cannot be asked. */
  propose(proposal: Proposal, { write: other, isReady }: ProposeOptions = {}): Promise<GateAnswer> {
    return this.#alone(async () => {
      if (isReady && !isReady()) return 'refused';
      const { store, emit, clock } = this.#edges;
      const startedMs = clock.monoMs();
      // A cut without pins would poison the job: the fact that pins them is the first to carry one.
      const isPinned = proposal.type === 'OFFSETS_RESOLVED' || this.#run.context().pins !== null;
      const hasCut = isPinned && this.#progress.cut.hasSources;
      const taken = hasCut && !other ? this.#progress.take() : null;
      const result = await this.#written(taken, () =>
        store.commit(this.#lease.key.jobId, proposal, this.#lease.key, other ?? taken?.write),
      );
      emit('store.commit', { fact: proposal.type, durationMs: clock.monoMs() - startedMs });
      if (result.ok) {
        if (taken) this.#progress.durable(taken);
        await this.#deliver(result.facts);
        return 'committed';
      }
      if (taken) this.#progress.untake(taken);
      emit('job.refused', { jobId: this.#lease.key.jobId, fact: proposal.type, why: result.why });
      if (result.why === 'illegal') return 'refused';
      this.#lease.lose();
      return 'fenced';
    });
  }

  /**
   * Proposes until the database answers, however long that takes; ends early when `signal` aborts. Before each
   * new try it looks for what was committed meanwhile: the answer to the last COMMIT may have been lost.
   */
  async proposeUntilAnswered(
    proposal: Proposal,
    signal: AbortSignal,
    options: ProposeOptions = {},
  ): Promise<GateAnswer> {
    for (let first = true; !signal.aborted; first = false) {
      try {
        if (!first) await this.catchUp();
        if (signal.aborted) break;
        return await this.propose(proposal, options);
      } catch {
        await pause(DATABASE_RETRY_MS, signal);
      }
    }
    return 'fenced';
  }

  /** Makes the present cut durable. */
  saveCut(): Promise<'saved' | 'fenced'> {
    return this.#alone(async () => {
      const { store, emit, clock } = this.#edges;
      const startedMs = clock.monoMs();
      const taken = this.#progress.take();
      const answer = await this.#written(taken, () => store.saveCut(this.#lease.key, taken.write));
      if (answer === 'saved') this.#progress.durable(taken);
      else this.#lease.lose();
      const { jobId } = this.#lease.key;
      emit('cut.saved', {
        jobId,
        owed: this.#progress.cut.owedCount,
        durationMs: clock.monoMs() - startedMs,
      });
      return answer;
    });
  }

  /** Brings the live actor up to the facts that others committed. */
  catchUp(): Promise<void> {
    return this.#alone(() => this.#deliver([]));
  }

  async #written<T>(taken: TakenWrite | null, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (taken) this.#progress.untake(taken);
      throw error;
    }
  }

  /** Applies `facts`, after those between them and the last applied one. */
  async #deliver(facts: readonly Fact[]): Promise<void> {
    const first = facts[0]?.seq;
    const missing =
      first === this.#seq + 1 ? [] : await this.#edges.store.factsAfter(this.#lease.key.jobId, this.#seq);
    for (const fact of [...missing, ...facts]) {
      if (fact.seq !== this.#seq + 1) continue;
      this.#seq = fact.seq;
      this.#apply(fact);
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(work);
    this.#tail = run.catch((error: unknown) => messageOf(error));
    return run;
  }
}
