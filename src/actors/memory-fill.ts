// Fills the dedupe memory of an owner that takes over: the memory lives in the process, but the log is the truth, so
// [start, next) of ALL sources is read again before anything new is judged, and the minutes that a switch by the ledger
// proved to be done. An owed position is delivered without asking the memory: its copy may already be in there (see
// owed-again.ts). What can no longer be read is counted (rebuild.ts): a copy of it further on would be sent again, and
// the job's stated bound says so.

import type { DedupeMemory } from '../domain/dedupe-memory.ts';
import { EarliestMinutes } from '../domain/earliest-minutes.ts';
import { logSourceOf } from '../domain/ids.ts';
import { covers } from '../domain/job.ts';
import type { Pin } from '../domain/job.ts';
import type { LogEvent } from '../domain/log.ts';
import { MINUTE_MS } from '../domain/minute-ledger.ts';
import { heldBytes } from './memory-budget.ts';
import type { Merge } from './merge.ts';
import type { Offers } from './offers.ts';
import { OwedAgain } from './owed-again.ts';
import type { Reading } from './reading.ts';
import type { Rebuild } from './rebuild.ts';
import type { Run } from './run.ts';
import type { SecondReading } from './second-reading.ts';
import type { SitesSeen } from './sites-seen.ts';

export interface FillParts {
  readonly run: Run;
  readonly reading: Reading;
  readonly merge: Merge;
  readonly second: SecondReading;
  readonly rebuild: Rebuild;
  readonly memory: DedupeMemory;
  readonly sites: SitesSeen | null;
  readonly offers: Offers;
}

/** True when done minutes were read beyond the cut: from there on everything is still to be judged. */
export function fillMemory(parts: FillParts): Promise<boolean> {
  return new MemoryFill(parts).fill();
}

class MemoryFill {
  readonly #run: Run;
  readonly #reading: Reading;
  readonly #merge: Merge;
  readonly #second: SecondReading;
  readonly #rebuild: Rebuild;
  readonly #memory: DedupeMemory;
  readonly #sites: SitesSeen | null;
  readonly #offers: Offers;
  readonly #earliest = new EarliestMinutes();
  /** In strict order: owed events, until all of them are found. */
  readonly #heldBack: LogEvent[] = [];

  constructor(parts: FillParts) {
    this.#run = parts.run;
    this.#reading = parts.reading;
    this.#merge = parts.merge;
    this.#second = parts.second;
    this.#rebuild = parts.rebuild;
    this.#memory = parts.memory;
    this.#sites = parts.sites;
    this.#offers = parts.offers;
  }

  /**
   * Fills the memory with what lies below the cut and with the done minutes, source by source; owed positions go to
   * delivery. True when something was read beyond the cut.
   */
  async fill(): Promise<boolean> {
    const { cut } = this.#run.progress;
    const owed = new OwedAgain(this.#run);
    let beyond = false;
    for (const { pin } of this.#reading.sources) {
      const until = this.#rebuild.knownOf(pin.source);
      if (until > cut.nextOf(pin.source)) beyond = true;
      if (until > pin.start) await this.#readAgain(pin, until, owed);
    }
    const { sendInstead, release, remember } = owed.conclude();
    // Read source by source; strict order is by time over all of them.
    const held = [...this.#heldBack, ...sendInstead].toSorted((a, b) => a.timestampMs - b.timestampMs);
    for (const event of held) this.#offers.add(event);
    for (const event of release) this.#run.budget.release(heldBytes(event));
    for (const identity of remember) this.#memory.add(identity);
    // What is done belongs to the minute of its earliest copy, as when the ledger was compared.
    const done = this.#reading.sources.flatMap(({ pin }) => (pin.done ? [pin.done] : []));
    for (const identity of this.#earliest.within(done[0]?.minutes ?? [])) this.#memory.add(identity);
    this.#rebuild.end();
    await this.#offers.flush();
    return beyond;
  }

  async #readAgain(pin: Pin, until: number, owed: OwedAgain): Promise<void> {
    const { source } = pin;
    const next = this.#run.progress.cut.nextOf(source);
    this.#run.enter('rebuilding');
    this.#rebuild.reached(source, 0);
    for (;;) {
      const event = await this.#merge.nextBelow(source, until);
      if (!event) return;
      this.#run.progress.mark++;
      if (event.value === null || isInGap(this.#run, event) || !this.#second.concerns(event)) {
        this.#run.budget.release(heldBytes(event));
        continue;
      }
      if (pin.done && event.offset < pin.done.below) this.#earliest.see(event.identity, minuteOf(event));
      if (event.offset >= next) {
        this.#run.budget.release(heldBytes(event));
        continue;
      }
      const fate = owed.meet(event);
      if (fate !== 'other') this.#sites?.see(event);
      if (fate === 'owed' && this.#run.job.spec.order === 'strict') this.#heldBack.push(event);
      else if (fate === 'owed') this.#offers.add(event);
      else if (fate === 'other') {
        this.#feed(event);
        this.#run.budget.release(heldBytes(event));
      }
      if (this.#offers.isFull) await this.#offers.flush();
    }
  }

  #feed(event: LogEvent): void {
    if (this.#second.isCopyOfLetter(event)) return;
    this.#run.progress.letters.met(event.identity);
    this.#sites?.see(event);
    this.#memory.add(event.identity);
  }
}

/** A recorded gap never feeds the memory, even if it is readable now: its copies must still be sent. */
function isInGap(run: Run, { source, offset }: LogEvent): boolean {
  const { gaps } = run.job;
  if (gaps.length === 0) return false;
  const base = logSourceOf(source);
  return gaps.some((gap) => covers(gap, { source: base, offset }));
}

const minuteOf = ({ timestampMs }: LogEvent): number => Math.floor(timestampMs / MINUTE_MS);
