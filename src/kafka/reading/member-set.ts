// Those who read one partition together, asked and told as one: where somebody begins or ends, what is due to
// whom, and which part of a gap concerns whom. Knows nothing of fetches.

import type { GapReason } from '../../domain/job.ts';
import type { ReadWait } from '../../domain/log.ts';
import type { RecordHit } from '../record-walk.ts';
import { KeyTable } from './key-table.ts';
import type { Member, Slice } from './member.ts';
import type { OutOfRange } from './read-trouble.ts';

export class MemberSet {
  readonly all = new Set<Member>();
  readonly keys = new KeyTable(this.all);
  /** What the scan of this slice gave so far. */
  given = { matched: 0, bytes: 0 };
  #wait: ReadWait | null = null;

  join(member: Member): void {
    this.all.add(member);
    this.keys.changed();
    member.waits(this.#wait);
  }

  leave(member: Member): void {
    this.all.delete(member);
    this.keys.changed();
  }

  /** Those for whom `position` is next; the others begin later. */
  at(position: number): readonly Member[] {
    return [...this.all].filter(({ next }) => next <= position);
  }

  /** What everybody has passed; Infinity without members. */
  get lowest(): number {
    return Math.min(...[...this.all].map(({ next }) => next));
  }

  /** The next offset behind `position` at which somebody begins or ends. */
  nextEdge(position: number): number {
    let edge = Infinity;
    for (const { next, end } of this.all) {
      if (next > position) edge = Math.min(edge, next);
      else if (end !== null) edge = Math.min(edge, end);
    }
    return edge;
  }

  /** null while somebody's end is not pinned. */
  get lastEnd(): number | null {
    let last = 0;
    for (const { end } of this.all) {
      if (end === null) return null;
      last = Math.max(last, end);
    }
    return last;
  }

  get isAnyPinned(): boolean {
    return [...this.all].some(({ end }) => end !== null);
  }

  /** Whether nobody has enough for now. */
  get isWanting(): boolean {
    return [...this.all].every(({ wantsMore }) => wantsMore);
  }

  /** Up to where the log must go for somebody; null when for nobody. */
  get due(): number | null {
    const dues = [...this.all].flatMap(({ due }) => due ?? []);
    return dues.length === 0 ? null : Math.max(...dues);
  }

  /** Gives a hit to whom it belongs, who copies it: its bytes are the scanner's. */
  readonly take = (hit: RecordHit): void => {
    this.given.matched++;
    this.given.bytes += hit.value?.length ?? 0;
    for (const member of this.keys.membersOf(hit.key)) if (member.next <= hit.offset) member.accept(hit);
  };

  waits(wait: ReadWait | null): void {
    this.#wait = wait;
    for (const member of this.all) member.waits(wait);
  }

  idle(caughtUp: boolean): void {
    for (const member of this.all) member.idle(caughtUp);
  }

  /** Each gets its hits first, then what the slice was. */
  passed(active: readonly Member[], slice: Slice): void {
    for (const member of active) member.passed(slice);
  }

  /** Offsets that nobody can read, for whom stands before them. */
  gap(from: number, to: number, reason: GapReason): void {
    for (const member of this.at(from)) {
      const end = Math.min(to, member.end ?? Infinity);
      if (from < end) member.gap(from, end, reason);
    }
  }

  /** What is due to somebody does not come. */
  missing(reason: GapReason): void {
    for (const member of this.all) if (member.due !== null) member.gap(member.next, member.due, reason);
  }

  /** The log begins behind where they stand, or ends before. */
  outside(found: OutOfRange): void {
    for (const member of this.all) {
      const { end, due, next } = member;
      if (found.reason === 'retention') {
        const to = Math.min(found.earliest, end ?? Infinity);
        if (to > next) member.gap(next, to, found.reason);
      } else if (end !== null) {
        if (end > next) member.gap(next, end, found.reason);
      } else {
        // What is written there now is read by nobody: this reading never goes back, and below an earlier cut it
        // would be taken for what was there.
        member.gap(found.latest, Math.max(next, due ?? 0), found.reason);
      }
    }
  }
}
