// One reading of a job: the sources that are read now, each from where dedupe stands, with its pipe. A job has one
// after the other: a switch to another site begins a new one, and what the old one had at hand is dropped (it lies
// above the cut of its source, so nothing of it was judged).

import type { EventBatch, LogEvent } from '../domain/log.ts';
import type { Pin } from '../domain/job.ts';
import { heldBytesOf } from './memory-budget.ts';
import type { BudgetShare } from './memory-budget.ts';
import { Pipe } from './pipe.ts';

/** Two batches per source: one being used, one waiting. A budget shared by sources would stall the merge. */
const SOURCE_CREDITS = 2;

export interface ReadSource {
  readonly pin: Pin;
  /** The first offset that is read. */
  readonly from: number;
  readonly batches: Pipe<EventBatch>;
}

export class Reading {
  readonly sources: readonly ReadSource[];
  readonly #budget: BudgetShare;
  readonly #over = new AbortController();

  constructor(pins: readonly Pin[], from: (pin: Pin) => number, budget: BudgetShare) {
    this.#budget = budget;
    this.sources = pins.map((pin) => {
      const batches = new Pipe<EventBatch>(SOURCE_CREDITS);
      batches.onEmpty = () => budget.nudge();
      return { pin, from: from(pin), batches };
    });
  }

  /** Aborts when the job reads something else. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Ends it: both sides of its pipes reject with PipeAborted. */
  leave(): void {
    this.#over.abort();
    for (const { batches } of this.sources) {
      for (const { events } of batches.abort()) this.release(events);
    }
  }

  /** Gives back what events that nobody will deliver held of the budget. */
  release(events: readonly LogEvent[]): void {
    this.#budget.release(heldBytesOf(events));
  }
}
