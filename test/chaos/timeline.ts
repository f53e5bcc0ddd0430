// What was done to the system and when, for whoever reads a failed run; and how often each kind was done. The
// checker never sees it.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

export class Timeline {
  readonly #file: string;
  readonly #faults = new Map<string, number>();
  readonly #notes = new Map<string, number>();

  constructor(folder: string) {
    this.#file = join(folder, 'timeline.jsonl');
  }

  /** A fault that was done. */
  fault(kind: string, detail: Readonly<Record<string, unknown>> = {}): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
    this.#write({ fault: kind, ...detail });
  }

  /** Something else worth knowing. */
  note(what: string, detail: Readonly<Record<string, unknown>> = {}): void {
    this.#notes.set(what, (this.#notes.get(what) ?? 0) + 1);
    this.#write({ note: what, ...detail });
  }

  get faults(): ReadonlyMap<string, number> {
    return this.#faults;
  }

  get notes(): ReadonlyMap<string, number> {
    return this.#notes;
  }

  get total(): number {
    return [...this.#faults.values()].reduce((sum, count) => sum + count, 0);
  }

  #write(line: Readonly<Record<string, unknown>>): void {
    appendFileSync(this.#file, `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`);
  }
}
