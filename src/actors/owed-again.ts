// The owed positions of an earlier owner, while the dedupe memory is rebuilt. Each is met again and delivered;
// one that has become unreadable (retention) is replaced by a readable copy with its identity, and only without
// a copy is it a gap. Its identity then stays out of the memory: a copy further on is still sent.

import type { SourceName } from '../domain/ids.ts';
import type { LogEvent } from '../domain/log.ts';
import type { Run } from './run.ts';

export interface Conclusion {
  /** Copies that are delivered in place of unreadable owed positions; owed from now on. */
  readonly sendInstead: readonly LogEvent[];
  /** Copies that were not needed. */
  readonly release: readonly LogEvent[];
  /** Identities that belong into the memory. */
  readonly remember: readonly string[];
}

interface OwedPosition {
  readonly source: SourceName;
  readonly offset: number;
  met: boolean;
}

export class OwedAgain {
  readonly #run: Run;
  /** Identity -> its owed positions (one, unless an earlier site switch left more). */
  readonly #positions = new Map<string, OwedPosition[]>();
  /** Identity -> its first readable copy at a position that is not owed. */
  readonly #copies = new Map<string, LogEvent>();

  constructor(run: Run) {
    this.#run = run;
    for (const { pin } of run.reading.sources) {
      for (const [offset, identity] of run.progress.cut.owedOf(pin.source).values()) {
        const position = { source: pin.source, offset, met: false };
        this.#positions.set(identity, [...(this.#positions.get(identity) ?? []), position]);
      }
    }
  }

  /** `owed`: deliver it; `kept`: a copy of an owed one, held until `conclude`; `other`: nothing special. */
  meet(event: LogEvent): 'owed' | 'kept' | 'other' {
    const positions = this.#positions.get(event.identity);
    if (!positions) return 'other';
    const here = positions.find(({ source, offset }) => source === event.source && offset === event.offset);
    if (here) {
      here.met = true;
      return 'owed';
    }
    if (this.#copies.has(event.identity)) return 'other';
    this.#copies.set(event.identity, event);
    return 'kept';
  }

  /** To be called when everything below the cut was read. Changes the cut: replaced and lost ones leave it. */
  conclude(): Conclusion {
    const sendInstead: LogEvent[] = [];
    const remember: string[] = [];
    for (const [identity, positions] of this.#positions) {
      const missing = positions.filter(({ met }) => !met);
      const copy = this.#copies.get(identity);
      if (missing.length === 0) {
        remember.push(identity);
        continue;
      }
      if (copy && missing.length === positions.length) {
        this.#run.progress.cut.owe(copy.source, copy.offset, identity);
        this.#copies.delete(identity);
        sendInstead.push(copy);
        remember.push(identity);
        this.#drop(missing);
      } else {
        for (const position of missing) this.#lose(position);
      }
    }
    return { sendInstead, release: [...this.#copies.values()], remember };
  }

  #drop(positions: readonly OwedPosition[]): void {
    for (const { source, offset } of positions) this.#run.progress.cut.drop(source, offset);
  }

  #lose({ source, offset }: OwedPosition): void {
    this.#drop([{ source, offset, met: false }]);
    this.#run.progress.counts.matched--;
    this.#run.progress.gap({ source, from: offset, to: offset + 1, reason: 'retention' });
  }
}
