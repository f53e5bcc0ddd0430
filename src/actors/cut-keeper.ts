// Writes the cut: every cut interval when something moved, at once when delivery stands at the repeat bound.
// A write that fails is tried again while delivery waits at the bound; one that is fenced ends the run's right
// to act. After a fenced answer nothing is written any more.

import type { Run } from './run.ts';

export class CutKeeper {
  readonly #run: Run;
  readonly #signal: AbortSignal;
  #wanted = false;
  #wakeUp: (() => void) | null = null;

  constructor(run: Run, signal: AbortSignal) {
    this.#run = run;
    this.#signal = signal;
  }

  /** A cut is due now. */
  cutNow(): void {
    this.#wanted = true;
    this.#wakeUp?.();
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted && !this.#run.lease.isLost) {
      await this.#dueOrAborted();
      if (this.#signal.aborted || this.#run.lease.isLost) return;
      this.#wanted = false;
      if (this.#run.progress.cut.isDirty) await this.#write();
    }
  }

  async #write(): Promise<void> {
    try {
      const answer = await this.#run.gate.saveCut();
      if (answer === 'fenced') this.#run.fenced('cut');
      else this.#run.cutSavedMs = this.#run.edges.clock.monoMs();
      this.#run.declareWait('cut', null);
    } catch {
      // The database is away: the store has said so. Delivery goes on up to the bound, then waits for us.
      this.#run.declareWait('cut', 'the cut cannot be written');
    }
    this.#run.wake();
  }

  /** Ends after the interval, earlier when a cut is due, at once when the run ends. */
  async #dueOrAborted(): Promise<void> {
    if (this.#wanted && !this.#run.waits.has('cut')) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', done);
        this.#wakeUp = null;
        resolve();
      };
      const timer = setTimeout(done, this.#run.edges.settings.cutIntervalMs);
      this.#signal.addEventListener('abort', done);
      this.#wakeUp = this.#run.waits.has('cut') ? null : done;
    });
  }
}
