// One shared scan: some members, one reader, and the loop that asks the rule of sharing before each step. Who waits
// is woken by what it may wait for: a member asked, came or left, or another group of the partition moved.
// Ends when its last member has left; its connection then goes back.

import type { Connections } from '../connections.ts';
import type { Emit } from '../../domain/signals.ts';
import type { Member } from './member.ts';
import { SharedReader } from './shared-reader.ts';
import type { ReaderOptions, ReadPlace } from './shared-reader.ts';
import { PATIENCE_MS, PATIENCE_SHARE, limitOf, turnOf } from './sharing.ts';
import type { Standing } from './sharing.ts';

/** The groups of one partition, as one of them sees it. */
export interface Neighbours {
  others(group: ScanGroup): readonly ScanGroup[];
  /** Its members that have much left to take go on as a slow group. */
  split(group: ScanGroup): void;
  /** It has moved, or has fewer members. */
  moved(group: ScanGroup): void;
  /** It has no members any more. */
  ended(group: ScanGroup): void;
}

export class ScanGroup implements Standing {
  readonly #neighbours: Neighbours;
  readonly #reader: SharedReader;
  readonly #stop = new AbortController();
  readonly gathersUntilMs: number;
  readonly isSlow: boolean;
  #patienceMs = PATIENCE_MS;
  #patienceAtMs = performance.now();
  #isPoked = false;
  #wake: (() => void) | null = null;

  constructor(
    neighbours: Neighbours,
    from: {
      readonly place: ReadPlace;
      readonly position: number;
      readonly gatherMs: number;
      readonly isSlow: boolean;
    },
    connections: Connections,
    options: ReaderOptions,
    emit: Emit,
  ) {
    this.#neighbours = neighbours;
    this.gathersUntilMs = performance.now() + from.gatherMs;
    const { place, position, isSlow } = from;
    this.isSlow = isSlow;
    this.#reader = new SharedReader(place, position, connections, options, emit, this.#stop.signal);
    this.#reader.limit = () => limitOf(this, neighbours.others(this));
  }

  get position(): number {
    return this.#reader.position;
  }

  get bytesPerOffset(): number {
    return this.#reader.bytesPerOffset;
  }

  get members(): ReadonlySet<Member> {
    return this.#reader.members.all;
  }

  get size(): number {
    return this.members.size;
  }

  get isFull(): boolean {
    return [...this.members].some(({ isFull }) => isFull);
  }

  get wantsMore(): boolean {
    return [...this.members].some(({ wantsMore }) => wantsMore);
  }

  get hungrySinceMs(): number | null {
    const since = [...this.members].flatMap(({ hungrySinceMs }) => hungrySinceMs ?? []);
    return since.length === 0 ? null : Math.min(...since);
  }

  get patienceMs(): number {
    const sinceMs = performance.now() - this.#patienceAtMs;
    return Math.min(PATIENCE_MS, this.#patienceMs + sinceMs * PATIENCE_SHARE);
  }

  join(member: Member): void {
    member.onChange = () => this.poke();
    this.#reader.members.join(member);
    this.poke();
  }

  leave(member: Member): void {
    if (!this.members.has(member)) return;
    member.onChange = () => undefined;
    this.#reader.members.leave(member);
    if (this.members.size === 0) this.#end();
    else this.poke();
  }

  /** There may be something to do. */
  poke(): void {
    this.#isPoked = true;
    this.#wake?.();
  }

  /** Until its last member has left. Never rejects: what ends a reading for good ends its members. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#isPoked = false;
      try {
        await this.#turn();
      } catch (error) {
        if (signal.aborted) return;
        for (const member of this.members)
          member.fail(error instanceof Error ? error : new Error(String(error)));
      }
      for (const member of [...this.members]) if (member.isDone) this.leave(member);
    }
  }

  async #turn(): Promise<void> {
    const others = this.#neighbours.others(this);
    const turn = turnOf(this, others, this.bytesPerOffset, performance.now());
    switch (turn.do) {
      case 'read':
        await this.#reader.step();
        this.#neighbours.moved(this);
        return;
      case 'split':
        this.#neighbours.split(this);
        return;
      case 'merge':
        for (const member of [...this.members]) {
          this.leave(member);
          turn.into.join(member);
        }
        return;
      case 'wait': {
        for (const member of this.members) member.tell();
        const { patienceMs } = this;
        const fromMs = performance.now();
        await this.#rest(turn.ms);
        if (!turn.forOthers) return;
        this.#patienceAtMs = performance.now();
        this.#patienceMs = patienceMs - (this.#patienceAtMs - fromMs);
      }
    }
  }

  /** Until somebody pokes, or the time is over. */
  async #rest(ms: number): Promise<void> {
    if (this.#isPoked) return;
    const woken: PromiseWithResolvers<void> = Promise.withResolvers();
    this.#wake = woken.resolve;
    const timer = ms === Infinity ? undefined : setTimeout(woken.resolve, ms);
    await woken.promise;
    clearTimeout(timer);
    this.#wake = null;
  }

  #end(): void {
    this.#stop.abort();
    this.#reader.release();
    this.#neighbours.ended(this);
    this.poke();
  }
}
