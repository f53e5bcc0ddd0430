// What one claim has come to: cut, counts, ledger, and the lists that the next cut makes durable. Synchronous,
// so `take` is one instant; what was taken is given back by `untake` when its write failed. Nothing is lost in
// between: counts and minutes are absolute, dead letters and gaps stay pending until they are durable.

import { CutTracker } from '../domain/cut.ts';
import { asSourceName, logSourceOf } from '../domain/ids.ts';
import type { SourceName } from '../domain/ids.ts';
import type { LetterAgain } from '../domain/dead-letter.ts';
import { covers } from '../domain/job.ts';
import type { Counts, DeadLetter, Gap, Outcome, Pin } from '../domain/job.ts';
import type { LogEvent } from '../domain/log.ts';
import { MinuteLedger, zeroOf } from '../domain/minute-ledger.ts';
import type { MinuteEntry } from '../domain/minute-ledger.ts';
import type { Claim, CutWrite, HeartbeatDetail } from '../domain/store.ts';
import { goneOf } from '../domain/undone.ts';
import { readWhole } from '../domain/whole.ts';
import { Letters } from './letters.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface TakenWrite {
  readonly write: CutWrite;
  readonly taken: ReturnType<CutTracker['take']>;
}

export class Progress {
  readonly cut: CutTracker;
  readonly counts: Mutable<Counts>;
  readonly ledger: MinuteLedger;
  /** Dead letters of earlier jobs that this one sends again. */
  readonly letters: Letters;
  /** Rises with each event settled, batch scanned or declared wait: the proof that the owner is not wedged. */
  mark: number;
  /** What the owner tells of itself with each cut; set by the run. */
  detail: (() => HeartbeatDetail) | null = null;
  readonly #knownGaps: Gap[];
  #deadLetters: DeadLetter[] = [];
  #gaps: Gap[] = [];
  #repeatsBefore: number;
  #filledBy: string | null = null;
  #settled = 0;
  #isConcluded = false;

  constructor(claim: Claim, maxRepeat: number) {
    this.cut = new CutTracker(maxRepeat);
    this.counts = { ...claim.job.counts };
    this.ledger = new MinuteLedger(claim.minutes);
    this.mark = claim.job.progress;
    this.letters = new Letters(claim.letters);
    this.#knownGaps = [...claim.job.gaps];
    this.#repeatsBefore = claim.job.counts.maybeRepeated;
    for (const [source, at] of Object.entries(claim.job.cut ?? {})) {
      this.cut.begin(asSourceName(source), at.next, at.owed);
    }
  }

  /** The site (or all) that the whole log was read from, as far as is known now; null = something may be missing. */
  readWhole(pins: readonly Pin[]): string | null {
    return readWhole(pins, this.#knownGaps);
  }

  /** Own topics that are or were read to their end, without a gap so far: copies of them need no proof. */
  readThemselves(pins: readonly Pin[]): ReadonlySet<SourceName> {
    const hasGap = new Set(this.#knownGaps.map(({ source }) => source));
    const read = pins.filter(({ isLeft, isRead, copyOf }) => (!isLeft || isRead) && !copyOf);
    return new Set(read.map(({ source }) => source).filter((source) => !hasGap.has(source)));
  }

  /** As DRAINED says it; gaps that another site has filled are told with it. */
  outcome(pins: readonly Pin[]): Outcome {
    const whole = this.readWhole(pins);
    this.#filledBy = this.#knownGaps.length > 0 ? whole : null;
    return whole !== null && this.counts.deadLettered === 0 ? 'complete' : 'incomplete';
  }

  /**
   * What a switch by the ledger makes durable: the new site's sources are judged from their start, minutes that are
   * done count as they did, the others not at all. The memory has the done ones, so that their events are copies.
   * Nothing changes here before that is committed: whatever else is written meanwhile speaks of the present site.
   */
  againWrite(
    pins: readonly Pin[],
    done: readonly MinuteEntry[],
    again: readonly MinuteEntry[],
    gaps: readonly Gap[],
  ): CutWrite {
    const sum = (entries: readonly MinuteEntry[], of: 'delivered' | 'deadLettered'): number =>
      entries.reduce((total, entry) => total + entry[of], 0);
    const [delivered, deadLettered] = [sum(done, 'delivered'), sum(done, 'deadLettered')];
    const { counts } = this;
    return {
      cut: Object.fromEntries(pins.map(({ source, start }) => [source, { next: start, owed: [] }])),
      counts: {
        ...counts,
        delivered,
        deadLettered,
        matched: delivered + deadLettered,
        duplicates: 0,
        filtered: 0,
        tombstones: 0,
        siteSwitches: counts.siteSwitches + 1,
        maybeRepeated: counts.maybeRepeated + sum(again, 'delivered') + sum(again, 'deadLettered'),
      },
      progress: this.mark,
      deadLetters: [],
      gaps,
      minutes: again.map(({ minute }) => zeroOf(minute)),
      resent: again.map(({ minute }) => minute),
    };
  }

  /** `againWrite` is durable. */
  beganAgain({ cut, counts, gaps, resent = [] }: CutWrite): void {
    this.cut.clear();
    for (const [source, { next }] of Object.entries(cut)) this.cut.begin(asSourceName(source), next);
    for (const minute of resent) this.ledger.resend(minute);
    Object.assign(this.counts, counts);
    this.#knownGaps.push(...gaps);
    this.#repeatsBefore = counts.maybeRepeated;
  }

  delivered(event: LogEvent): void {
    this.#settle(event);
    this.letters.delivered(event.identity);
    this.ledger.delivered(event.timestampMs, event.digest);
    this.counts.delivered++;
    this.mark++;
  }

  deadLettered(event: LogEvent, fate: { reason: string; lastStatus: number | null; attempts: number }): void {
    this.#settle(event);
    this.ledger.deadLettered(event.timestampMs, event.digest);
    this.counts.deadLettered++;
    this.mark++;
    if (this.letters.givenUp(event.identity, fate)) return;
    const { partition, offset, eventId, timestampMs } = event;
    const source = logSourceOf(event.source);
    this.#deadLetters.push({ source, partition, offset, eventId, timestampMs, ...fate });
  }

  #settle({ source, offset, identity }: LogEvent): void {
    this.cut.settled(source, offset);
    this.letters.met(identity);
    this.#settled++;
  }

  gap(given: Gap): void {
    const gap = { ...given, source: logSourceOf(given.source) };
    this.cut.touch();
    this.#knownGaps.push(gap);
    this.#gaps.push(gap);
  }

  /** Repeats that all owners lost so far made possible; told with the next fact, before anything is sent. */
  mayHaveRepeated(events: number): void {
    this.counts.maybeRepeated = Math.max(this.counts.maybeRepeated, events);
  }

  /**
   * Everything is read and settled. Letters that were not found are gone, or stand in a gap that may be mended; and
   * no more can have been repeated than was sent.
   */
  conclude(): void {
    if (this.#isConcluded) return;
    this.#isConcluded = true;
    for (const letter of this.letters.missing) this.#miss(letter);
    this.counts.maybeRepeated = Math.min(this.counts.maybeRepeated, this.#repeatsBefore + this.#settled);
  }

  #miss(letter: LetterAgain): void {
    const gaps = this.#knownGaps.filter((gap) => covers(gap, letter));
    const isMendable = gaps.length > 0 && goneOf({ gaps }).length === 0;
    if (isMendable) return;
    this.letters.expired(letter);
    if (gaps.length > 0) return;
    this.gap({ source: letter.source, from: letter.offset, to: letter.offset + 1, reason: 'truncated' });
  }

  take(): TakenWrite {
    const taken = this.cut.take();
    const letters = this.letters.takeFates();
    const write: CutWrite = {
      cut: taken.cut,
      counts: { ...this.counts },
      progress: this.mark,
      deadLetters: this.#deadLetters,
      gaps: this.#gaps,
      minutes: this.ledger.takeTouched(),
      ...(letters.length > 0 && { letters }),
      ...(this.#filledBy !== null && { filledBy: this.#filledBy }),
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
    this.letters.untake(write.letters ?? []);
    this.ledger.untake(write.minutes);
  }
}
