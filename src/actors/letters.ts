// The dead letters that a job sends again: which positions and identities they have, and what became of each
// since the last cut. Known by identity, because a copy of the event may be what is delivered in the end.

import type { LetterAgain, LetterFate } from '../domain/dead-letter.ts';
import { identityOf } from '../domain/identity.ts';
import type { SourceName } from '../domain/ids.ts';
import type { DeadLetter } from '../domain/job.ts';

export class Letters {
  readonly #byIdentity = new Map<string, LetterAgain>();
  /** Offsets per source. */
  readonly #positions = new Map<SourceName, ReadonlySet<number>>();
  readonly #met = new Set<string>();
  #fates: LetterFate[] = [];

  constructor(letters: readonly LetterAgain[]) {
    for (const letter of letters) this.#byIdentity.set(identityOf(letter.eventId), letter);
    for (const source of new Set(letters.map((letter) => letter.source))) {
      const here = letters.filter((letter) => letter.source === source).map(({ offset }) => offset);
      this.#positions.set(source, new Set(here));
    }
  }

  has(identity: string): boolean {
    return this.#byIdentity.has(identity);
  }

  /** `source`: of the log. */
  isAt(source: SourceName, offset: number): boolean {
    return this.#positions.get(source)?.has(offset) ?? false;
  }

  /** Offsets of letters in [from, to). */
  within(source: SourceName, from: number, to: number): readonly number[] {
    return [...(this.#positions.get(source) ?? [])].filter((offset) => offset >= from && offset < to);
  }

  /** The event was found; nothing is expected of another place. */
  met(identity: string): void {
    if (this.#byIdentity.size > 0 && this.#byIdentity.has(identity)) this.#met.add(identity);
  }

  delivered(identity: string): void {
    // Most jobs send none again, and this is called for every event.
    if (this.#byIdentity.size === 0) return;
    const letter = this.#byIdentity.get(identity);
    if (letter) this.#fates.push({ letter, kind: 'delivered' });
  }

  /** False when it is no letter but a new one. */
  givenUp(identity: string, fate: Pick<DeadLetter, 'reason' | 'lastStatus' | 'attempts'>): boolean {
    const letter = this.#byIdentity.get(identity);
    if (letter) this.#fates.push({ letter, kind: 'again', ...fate });
    return letter !== undefined;
  }

  expired(letter: LetterAgain): void {
    this.#fates.push({ letter, kind: 'expired' });
  }

  /** Those that were not found, for the end of a job that has read everything. */
  get missing(): readonly LetterAgain[] {
    return [...this.#byIdentity].filter(([identity]) => !this.#met.has(identity)).map(([, letter]) => letter);
  }

  takeFates(): readonly LetterFate[] {
    const fates = this.#fates;
    this.#fates = [];
    return fates;
  }

  untake(fates: readonly LetterFate[]): void {
    this.#fates = [...fates, ...this.#fates];
  }
}
