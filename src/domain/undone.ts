// What a job left undone, as the beginning of another one: pins, and the cut that it goes on from. Pure.
//
//   source              [start ........ next)[next ........ end)      as the parent has it: below its cut the
//                        fills the memory     judged and delivered    log is known, from there on it is new
//   source#again            [piece)   [piece)                         read a second time, judged like new events
//
// Pieces are what the parent passed without judging it: gaps that may be readable by now, and what an earlier
// second reading did not reach. Open dead letters are read again too; they are rows (the store ties them to the
// new job), so only the hull of their positions is here. What was known and is not among the pieces feeds the
// memory: a copy of something that was delivered is not sent again.
// Refused: gaps whose records are gone (retention, truncation); offsets there may hold other records by now.

import type { Cut, SourceCut } from './cut.ts';
import type { Fact } from './fact.ts';
import { againOf, logSourceOf } from './ids.ts';
import type { SourceName } from './ids.ts';
import type { Gap, GapReason, Piece, Pin, Position } from './job.ts';

const GONE: ReadonlySet<GapReason> = new Set<GapReason>(['retention', 'truncated']);

/** The job that leaves something undone, as its row shows it. */
export interface Leaving {
  readonly pins: readonly Pin[];
  readonly cut: Cut | null;
  readonly gaps: readonly Gap[];
}

export interface TakenUp {
  readonly pins: readonly Pin[];
  readonly cut: Cut;
}

/** The records of these dead letters alone; `pins` of the job that has them. */
export function lettersOf({ pins }: Leaving, letters: readonly Position[]): TakenUp {
  return taken(sourcesOf(pins).flatMap((source) => again(source, pins, [], letters)));
}

/** Everything: the rest of the range, owed positions, mendable gaps, dead letters. null = nothing of all that. */
export function remainderOf(job: Leaving, letters: readonly Position[]): TakenUp | null {
  const { pins, cut } = job;
  const bases = pins.filter(({ source }) => logSourceOf(source) === source);
  const pieces = new Map(sourcesOf(pins).map((source) => [source, piecesOf(source, job)]));
  const hasPieces = [...pieces.values()].some(({ length }) => length > 0);
  const hasRest = bases.some((pin) => isOpen(pin, cut ? withOwed(pin, cut, letters) : undefined));
  if (!hasRest && !hasPieces) return letters.length > 0 ? lettersOf(job, letters) : null;
  const kept = bases.map((pin) => ({ pin, cut: withOwed(pin, cut, letters) }));
  const second = sourcesOf(pins).flatMap((source) => again(source, pins, pieces.get(source) ?? [], letters));
  return taken([...kept, ...second]);
}

/** Records that no second reading can bring back. */
export const goneOf = ({ gaps }: Pick<Leaving, 'gaps'>): readonly Gap[] =>
  gaps.filter(({ reason, filledBy }) => GONE.has(reason) && filledBy === undefined);

const isMendable = ({ reason, filledBy }: Gap): boolean => !GONE.has(reason) && filledBy === undefined;

function isOpen(pin: Pin, cut: SourceCut | undefined): boolean {
  if (!cut || cut.owed.length > 0) return true;
  return pin.end === null || cut.next < pin.end;
}

/**
 * What a second reading owes is owed by the first one from now on, with its identity: as a mere piece it would look
 * like a copy of one that was dropped for its sake. Dead letters are judged apart.
 */
function withOwed(pin: Pin, cut: Cut | null, letters: readonly Position[]): SourceCut {
  const { next, owed } = cut?.[pin.source] ?? { next: pin.start, owed: [] };
  const isLetter = (offset: number): boolean =>
    letters.some((letter) => letter.source === pin.source && letter.offset === offset);
  const second = cut?.[againOf(pin.source)]?.owed.filter(([offset]) => !isLetter(offset)) ?? [];
  return { next, owed: [...owed, ...second] };
}

const sourcesOf = (pins: readonly Pin[]): readonly SourceName[] => [
  ...new Set(pins.map(({ source }) => logSourceOf(source))),
];

interface Begun {
  readonly pin: Pin;
  readonly cut: SourceCut;
}

const taken = (begun: readonly Begun[]): TakenUp => ({
  pins: begun.map(({ pin }) => pin),
  cut: Object.fromEntries(begun.map(({ pin, cut }) => [pin.source, cut])),
});

/** Below the parent's cut and not settled by it; beyond it everything is new anyway. */
function piecesOf(source: SourceName, { pins, cut, gaps }: Leaving): readonly Piece[] {
  const mendable = gaps.filter((gap) => gap.source === source && isMendable(gap));
  const next = cut?.[source]?.next ?? (pins.some((pin) => pin.source === source) ? 0 : Infinity);
  const passed = mendable.map(({ from, to }): Piece => [from, Math.min(to, next)]);
  const second = pins.find((pin) => pin.source === againOf(source));
  if (!second) return merged(passed);
  const reached = cut?.[second.source] ?? { next: second.start, owed: [] };
  const rest = (second.pieces ?? []).map(([from, to]): Piece => [Math.max(from, reached.next), to]);
  return merged([...passed, ...rest]);
}

/** Sorted, without empty ones, adjoining and overlapping ones joined. */
function merged(pieces: readonly Piece[]): readonly Piece[] {
  const joined: [number, number][] = [];
  const sorted = pieces.filter(([from, to]) => from < to).toSorted(([a], [b]) => a - b);
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** The second reading of one source, or none. */
function again(
  source: SourceName,
  pins: readonly Pin[],
  pieces: readonly Piece[],
  letters: readonly Position[],
): readonly Begun[] {
  const like = pins.find((pin) => logSourceOf(pin.source) === source);
  let start = pieces[0]?.[0] ?? Infinity;
  let end = pieces.at(-1)?.[1] ?? -1;
  for (const letter of letters) {
    if (letter.source !== source) continue;
    start = Math.min(start, letter.offset);
    end = Math.max(end, letter.offset + 1);
  }
  if (!like || start >= end) return [];
  return [{ pin: { ...like, source: againOf(source), start, end, pieces }, cut: { next: start, owed: [] } }];
}

/**
 * How many events the owners lost so far may have delivered without a durable cut that holds them: the sum of the
 * bounds of those that could send, and what a parent left. `counts.maybeRepeated` takes it up.
 */
export function possibleRepeats(facts: readonly Fact[]): number {
  let possible = 0;
  let ownMaxRepeat = 0;
  let maySend = false;
  for (const fact of facts) {
    if (fact.type === 'REQUESTED') possible = fact.takesUp?.boundAdded ?? 0;
    if (fact.type === 'RECLAIMED' && maySend) possible += ownMaxRepeat;
    if (fact.type === 'SITE_SWITCHED') possible += fact.boundAdded;
    if (fact.type === 'OFFSETS_RESOLVED' || fact.type === 'CONTINUED') maySend = true;
    if (fact.type === 'CLAIMED' || fact.type === 'RECLAIMED') {
      ownMaxRepeat = fact.maxRepeat;
      maySend = false;
    }
  }
  return possible;
}
