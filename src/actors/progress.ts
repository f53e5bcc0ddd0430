// What one claim has come to: cut, counts, ledger, and the lists that the next cut makes durable. Synchronous,
// so `take` is one instant; what was taken is given back by `untake` when its write failed. Nothing is lost in
// between: counts and minutes are absolute, dead letters and gaps stay pending until they are durable.

import { CutTracker } from '../domain/cut.ts';
import { asSourceName } from '../domain/ids.ts';
import type { Counts, DeadLetter, Gap } from '../domain/job.ts';
import type { LogEvent } from '../domain/log.ts';
import { MinuteLedger } from '../domain/minute-ledger.ts';
import type { Claim, CutWrite, HeartbeatDetail } from '../domain/store.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface TakenWrite {
  readonly write: CutWrite;
  readonly taken: ReturnType<CutTracker['take']>;
}

export class Progress {
  readonly cut: CutTracker;
  readonly counts: Mutable<Counts>;
  readonly ledger: MinuteLedger;
  /** Rises with each event settled, batch scanned or declared wait: the proof that the owner is not wedged. */
  mark: number;
  /** What the owner tells of itself with each cut; set by the run. */
  detail: (() => HeartbeatDetail) | null = null;
  #gapCount: number;
  #deadLetters: DeadLetter[] = [];
  #gaps: Gap[] = [];

  constructor(claim: Claim, maxRepeat: number) {
    this.cut = new CutTracker(maxRepeat);
    this.counts = { ...claim.job.counts };
    this.ledger = new MinuteLedger(claim.minutes);
    this.mark = claim.job.progress;
    this.#gapCount = claim.job.gaps.length;
    for (const [source, at] of Object.entries(claim.job.cut ?? {})) {
      this.cut.begin(asSourceName(source), at.next, at.owed);
    }
  }

  /** Whether the job can still end `complete`. */
  get isWhole(): boolean {
    return this.#gapCount === 0 && this.counts.deadLettered === 0;
  }

  delivered(event: LogEvent): void {
    this.cut.settled(event.source, event.offset);
    this.ledger.delivered(event.timestampMs, event.eventId);
    this.counts.delivered++;
    this.mark++;
  }

  deadLettered(event: LogEvent, fate: { reason: string; lastStatus: number | null; attempts: number }): void {
    this.cut.settled(event.source, event.offset);
    this.ledger.deadLettered(event.timestampMs, event.eventId);
    this.counts.deadLettered++;
    this.mark++;
    const { source, partition, offset, eventId, timestampMs } = event;
    this.#deadLetters.push({ source, partition, offset, eventId, timestampMs, ...fate });
  }

  gap(gap: Gap): void {
    this.#gapCount++;
    this.cut.touch();
    this.#gaps.push(gap);
  }

  take(): TakenWrite {
    const taken = this.cut.take();
    const write: CutWrite = {
      cut: taken.cut,
      counts: { ...this.counts },
      progress: this.mark,
      deadLetters: this.#deadLetters,
      gaps: this.#gaps,
      minutes: this.ledger.takeTouched(),
      ...(this.detail && { detail: this.detail() }),
    };
    this.#deadLetters = [];
    this.#gaps = [];
    return { write, taken };
  }

  /** The write is durable. */
  durable({ taken }: TakenWrite): void {
    this.cut.durable(taken);
  }

  /** The write failed: what it held goes into the next one. */
  untake({ write }: TakenWrite): void {
    this.#deadLetters = [...write.deadLetters, ...this.#deadLetters];
    this.#gaps = [...write.gaps, ...this.#gaps];
    this.ledger.untake(write.minutes);
  }
}
