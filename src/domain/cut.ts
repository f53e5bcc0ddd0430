// The cut: what of a job is settled, as ONE atomic value over all its sources.
//
//   source A   ......x..x.....|                per source: `next` = where dedupe stands,
//                    ^  ^     next             `owed` = positions below it not yet settled
//                    owed (in flight, waiting for a retry, or queued behind dedupe)
//
// Why not a plain checkpoint per source: F is in flight at A:12, its copy B:35 is dropped as a duplicate; a
// checkpoint of B passes 35; crash; the rebuilt memory knows F from B:35, drops A:12, and F is never sent.
// Why not the lowest unsettled offset: one head event that retries for a minute makes everything behind it
// repeat. So `next` is never lowered for one source alone, and every unsettled position is named.
//
// The bound is enforced here: an event in flight, or settled since the durable cut, is an event that a crash
// now would repeat at most once; `exposed` counts them, and delivery may start another only below the limit.

import type { SourceName } from './ids.ts';

/** One position that is owed: its offset and the event's 128-bit identity as 22 base64url characters. */
export type Owed = readonly [offset: number, identity: string];

export interface SourceCut {
  readonly next: number;
  readonly owed: readonly Owed[];
}

/** Source name -> where its settled part ends. Plain JSON: it is stored and carried by facts as it is. */
export type Cut = Readonly<Record<SourceName, SourceCut>>;

interface SourceState {
  next: number;
  /** By offset; as the cut has them, because each is taken several times: new pairs for each cut were 200 bytes per event. */
  readonly owed: Map<number, Owed>;
}

/** A cut taken at one instant, with what it makes safe once it is durable. */
export interface TakenCut {
  readonly cut: Cut;
  readonly settledUpTo: number;
}

/** The live side of the cut; everything is synchronous, so `take()` is one instant over all sources. */
export class CutTracker {
  readonly #sources = new Map<SourceName, SourceState>();
  /** The one asked for last: the next event is mostly of the same source. */
  #lastName: SourceName | null = null;
  #lastState: SourceState | null = null;
  readonly #maxRepeat: number;
  #inFlight = 0;
  #settled = 0;
  #settledDurably = 0;
  #revision = 0;
  #revisionDurable = 0;

  constructor(maxRepeat: number) {
    this.#maxRepeat = maxRepeat;
  }

  /** Begins a source at `next`; owed positions of an earlier cut are owed again. */
  begin(source: SourceName, next: number, owed: readonly Owed[] = []): void {
    if (this.#sources.has(source)) throw new Error(`source ${source} was begun twice`);
    this.#sources.set(source, { next, owed: new Map(owed.map((each) => [each[0], each])) });
  }

  /** Another site is read from its start; nothing is in flight. */
  clear(): void {
    this.#sources.clear();
    this.#revision++;
  }

  /** Whether anything was begun: a job without pins has no cut yet. */
  get hasSources(): boolean {
    return this.#sources.size > 0;
  }

  has(source: SourceName): boolean {
    return this.#sources.has(source);
  }

  /** Dedupe now stands at `next`: everything below is dropped, filtered, settled or owed. */
  advance(source: SourceName, next: number): void {
    const state = this.#state(source);
    if (next < state.next) throw new Error(`cut of ${source} would fall from ${state.next} to ${next}`);
    if (next === state.next) return;
    state.next = next;
    this.#revision++;
  }

  /** The event at `offset` passed dedupe and is to be delivered. Call before `advance` passes it. */
  owe(source: SourceName, offset: number, identity: string): void {
    this.#state(source).owed.set(offset, [offset, identity]);
    this.#revision++;
  }

  /** Something that goes with the cut changed. */
  touch(): void {
    this.#revision++;
  }

  /** Whether so many more events may be handed to a socket without breaking the repeat bound. */
  mayStart(count = 1): boolean {
    return count <= this.room;
  }

  /** How many more events may be handed to a socket now. */
  get room(): number {
    return this.#maxRepeat - this.exposed;
  }

  /** Events a crash now could repeat: in flight, or settled since the durable cut. */
  get exposed(): number {
    return this.#inFlight + (this.#settled - this.#settledDurably);
  }

  /** Whether nothing is handed to a socket: a cut that is taken now holds everything that was answered. */
  get isStill(): boolean {
    return this.#inFlight === 0;
  }

  /** Positions below `next` that are not settled. */
  get owedCount(): number {
    let count = 0;
    for (const state of this.#sources.values()) count += state.owed.size;
    return count;
  }

  /** Half of the bound is used by settled events: a cut is due at once. */
  get isDue(): boolean {
    return (this.#settled - this.#settledDurably) * 2 >= this.#maxRepeat;
  }

  /** Something moved since the last durable cut. */
  get isDirty(): boolean {
    return this.#revision !== this.#revisionDurable;
  }

  /** So many events are handed to a socket. */
  started(count = 1): void {
    this.#inFlight += count;
  }

  /** The attempt ended and its events stay owed (they will be tried again). */
  returned(count = 1): void {
    this.#inFlight -= count;
  }

  /** The attempt ended and the event is delivered or dead-lettered. */
  settled(source: SourceName, offset: number): void {
    this.#inFlight--;
    this.#settled++;
    this.drop(source, offset);
  }

  /** An owed position is settled without an attempt: it became a recorded gap. */
  drop(source: SourceName, offset: number): void {
    if (!this.#state(source).owed.delete(offset)) throw new Error(`${source}@${offset} was not owed`);
    this.#revision++;
  }

  /** The positions that are owed at one source, for a resume. */
  owedOf(source: SourceName): ReadonlyMap<number, Owed> {
    return this.#state(source).owed;
  }

  nextOf(source: SourceName): number {
    return this.#state(source).next;
  }

  /** The cut of this instant. Hand the answer to `durable` when the database has it. */
  take(): TakenCut & { readonly revision: number } {
    const cut: Record<string, SourceCut> = {};
    for (const [source, state] of this.#sources)
      cut[source] = { next: state.next, owed: [...state.owed.values()] };
    return { cut, settledUpTo: this.#settled, revision: this.#revision };
  }

  durable(taken: TakenCut & { readonly revision: number }): void {
    this.#settledDurably = Math.max(this.#settledDurably, taken.settledUpTo);
    this.#revisionDurable = Math.max(this.#revisionDurable, taken.revision);
  }

  #state(source: SourceName): SourceState {
    if (this.#lastState && source === this.#lastName) return this.#lastState;
    const state = this.#sources.get(source);
    if (!state) throw new Error(`source ${source} is not part of this job`);
    this.#lastName = source;
    this.#lastState = state;
    return state;
  }
}
