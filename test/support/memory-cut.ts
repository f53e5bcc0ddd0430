// What the cuts of one job make durable, in memory: absolute values, so that writing one again changes nothing.

import type { Cut } from '../../src/domain/cut.ts';
import type { LetterAgain } from '../../src/domain/dead-letter.ts';
import type { Counts, DeadLetter, Gap } from '../../src/domain/job.ts';
import { NO_COUNTS } from '../../src/domain/job.ts';
import { siteOf } from '../../src/domain/ids.ts';
import { MINUTE_MS } from '../../src/domain/minute-ledger.ts';
import type { MinuteEntry } from '../../src/domain/minute-ledger.ts';
import type { CutWrite } from '../../src/domain/store.ts';

export class MemoryCut {
  readonly deadLetters = new Map<string, DeadLetter>();
  readonly minutes = new Map<number, MinuteEntry>();
  readonly gaps: Gap[] = [];
  /** Dead letters of earlier jobs that this one is to send again; a fate takes one away. */
  letters: readonly LetterAgain[] = [];
  cut: Cut | null = null;
  counts: Counts = NO_COUNTS;
  progress = 0;

  protected keep(write: CutWrite): void {
    this.cut = structuredClone(write.cut);
    this.counts = { ...write.counts };
    this.progress = write.progress;
    for (const letter of write.deadLetters) this.deadLetters.set(`${letter.source}@${letter.offset}`, letter);
    for (const entry of write.minutes) this.minutes.set(entry.minute, entry);
    for (const gap of write.gaps) this.#addGap(gap);
    for (const [place, { timestampMs }] of this.deadLetters) {
      if (write.resent?.includes(Math.floor(timestampMs / MINUTE_MS))) this.deadLetters.delete(place);
    }
    const { filledBy } = write;
    if (filledBy !== undefined) {
      const isFilled = ({ source }: Gap): boolean => siteOf(source) !== filledBy;
      this.gaps.forEach((gap, at) => {
        if (isFilled(gap)) this.gaps[at] = { ...gap, filledBy };
      });
    }
    // One that was given up again stays with the job until the job ends.
    const settled = (write.letters ?? []).filter(({ kind }) => kind !== 'again').map(({ letter }) => letter);
    this.letters = this.letters.filter(
      ({ source, offset }) => !settled.some((letter) => letter.source === source && letter.offset === offset),
    );
  }

  /** Found again it may have grown, never shrunk. */
  #addGap(gap: Gap): void {
    const at = this.gaps.findIndex(({ source, from }) => source === gap.source && from === gap.from);
    const known = this.gaps[at];
    if (known) this.gaps[at] = { ...known, to: Math.max(known.to, gap.to) };
    else this.gaps.push(gap);
    this.gaps.sort((a, b) => (a.source === b.source ? a.from - b.from : a.source < b.source ? -1 : 1));
  }
}
