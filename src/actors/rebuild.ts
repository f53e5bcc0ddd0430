// What a rebuild of the dedupe memory knows of itself: up to where each source was known to the earlier owner, how
// far the reading has come, and what below the cut could not be read again. Counting only; dedupe does the work.

import { logSourceOf } from '../domain/ids.ts';
import type { SourceName } from '../domain/ids.ts';
import type { Gap, Pin } from '../domain/job.ts';
import type { Run } from './run.ts';

interface Stretch {
  readonly start: number;
  /** Where the earlier owner's dedupe stood, or what the ledger proved to be done, whichever is further. */
  readonly known: number;
  reached: number;
}

export class Rebuild {
  readonly #run: Run;
  readonly #stretches = new Map<SourceName, Stretch>();
  readonly #of: number;
  #unknown = 0;
  #isOver = false;

  constructor(run: Run, pins: readonly Pin[]) {
    this.#run = run;
    let total = 0;
    for (const { source, start, done } of pins) {
      const known = Math.max(run.progress.cut.nextOf(source), done?.below ?? 0);
      this.#stretches.set(source, { start, known, reached: start });
      total += Math.max(0, known - start);
    }
    this.#of = total;
  }

  /** Below it nothing is counted again. */
  knownOf(source: SourceName): number {
    return this.#stretches.get(source)?.known ?? 0;
  }

  /** The reading of `source` has passed everything below `offset`; told once per batch. */
  reached(source: SourceName, offset: number): void {
    const stretch = this.#stretches.get(source);
    if (!stretch || this.#isOver) return;
    stretch.reached = Math.max(stretch.reached, Math.min(offset, stretch.known));
    let done = 0;
    for (const { start, reached } of this.#stretches.values()) done += reached - start;
    this.#run.rebuilt = { done, of: this.#of };
  }

  /** A part below the cut cannot be read; what was recorded as a gap before never fed the memory. */
  lost({ source, from, to }: Gap): void {
    if (from >= to) return;
    const base = logSourceOf(source);
    const recorded = this.#run.job.gaps.filter((gap) => gap.source === base);
    const overlap = recorded.map((gap) => Math.min(to, gap.to) - Math.max(from, gap.from));
    this.#unknown += to - from - overlap.reduce((sum, length) => sum + Math.max(0, length), 0);
  }

  /** The memory is as full as it can be. */
  end(): void {
    const { counts, cut } = this.#run.progress;
    this.#isOver = true;
    this.#run.rebuilt = null;
    if (this.#unknown <= counts.unknownBelowCut) return;
    counts.unknownBelowCut = this.#unknown;
    cut.touch();
  }
}
