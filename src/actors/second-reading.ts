// Which reading of a source an event belongs to. A remainder reads its sources twice: the first reading fills the
// memory and goes on from the parent's cut, the second one (source#again) judges the pieces and dead letters that
// the parent passed without settling them. Each position is the business of exactly one of the two.

import { logSourceOf } from '../domain/ids.ts';
import type { SourceName } from '../domain/ids.ts';
import type { Gap, Piece, Pin, Position } from '../domain/job.ts';
import type { Letters } from './letters.ts';

export class SecondReading {
  readonly #pieces = new Map<SourceName, readonly Piece[]>();
  readonly #letters: Letters;

  constructor(pins: readonly Pin[], letters: Letters) {
    this.#letters = letters;
    for (const { source, pieces } of pins)
      if (isSecond(source)) this.#pieces.set(logSourceOf(source), pieces ?? []);
  }

  /** False: the other reading judges it, or nobody does (between two pieces). */
  concerns({ source, offset }: Position): boolean {
    // The way of every event of an ordinary job.
    if (this.#pieces.size === 0) return true;
    const base = logSourceOf(source);
    const pieces = this.#pieces.get(base);
    if (!pieces) return true;
    const isAgain = this.#letters.isAt(base, offset) || isInside(pieces, offset);
    return isAgain === isSecond(source);
  }

  /**
   * A copy of a dead letter that the parent dropped because the letter was there: it must not feed the memory, or
   * the letter would look like a copy of it.
   */
  isCopyOfLetter({ source, identity }: { readonly source: SourceName; readonly identity: string }): boolean {
    return this.#letters.has(identity) && !isSecond(source);
  }

  /** The parts of a gap that this reading has to answer for; gaps of second readings in the log's own terms. */
  ownPartsOf(gap: Gap): readonly Gap[] {
    if (!isSecond(gap.source)) return [gap];
    const source = logSourceOf(gap.source);
    const pieces = this.#pieces.get(source) ?? [];
    const inPieces = pieces.map(([from, to]) => ({
      ...gap,
      source,
      from: Math.max(from, gap.from),
      to: Math.min(to, gap.to),
    }));
    const atLetters = this.#letters
      .within(source, gap.from, gap.to)
      .filter((offset) => !isInside(pieces, offset))
      .map((offset) => ({ ...gap, source, from: offset, to: offset + 1 }));
    return [...inPieces.filter(({ from, to }) => from < to), ...atLetters];
  }
}

const isSecond = (source: SourceName): boolean => logSourceOf(source) !== source;

/** `pieces` are sorted and apart. */
function isInside(pieces: readonly Piece[], offset: number): boolean {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const [from, to] = pieces[middle] ?? [0, 0];
    if (offset < from) high = middle;
    else if (offset >= to) low = middle + 1;
    else return true;
  }
  return false;
}
