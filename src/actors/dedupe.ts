// Child of ONGOING: decides once per record whether it is a new event, and offers new ones to delivery in
// small chunks. It stands at the cut's `next`: what it passes is dropped, filtered or owed in the same instant.
// A resume fills the memory before anything new is judged (memory-fill.ts). The memory stays when another site is read.

import { DedupeMemory } from '../domain/dedupe-memory.ts';
import type { Gap } from '../domain/job.ts';
import type { EventBatch, LogEvent } from '../domain/log.ts';
import { heldBytes } from './memory-budget.ts';
import { Merge } from './merge.ts';
import { fillMemory } from './memory-fill.ts';
import { Offers } from './offers.ts';
import { PipeAborted } from './pipe.ts';
import type { Reading } from './reading.ts';
import { Rebuild } from './rebuild.ts';
import type { Run } from './run.ts';
import { SecondReading } from './second-reading.ts';
import { SitesSeen } from './sites-seen.ts';

export async function dedupe(run: Run, signal: AbortSignal): Promise<void> {
  const work = new Dedupe(run);
  for (;;) {
    const { reading } = run;
    try {
      await work.read(reading, signal);
      if (signal.aborted) return;
      if (run.reading === reading && !(await goesOn(run, signal))) break;
    } catch (error) {
      // Another site is read: whatever was at hand of this one lies above its cut.
      if (!(error instanceof PipeAborted) || run.reading === reading) throw error;
    } finally {
      work.leave(reading);
    }
  }
  run.work.end();
}

/** Everything is read: whether what is missing can be read somewhere else. */
async function goesOn(run: Run, signal: AbortSignal): Promise<boolean> {
  const { reading } = run;
  await run.endsPinned(reading, signal);
  if (run.reading !== reading) return true;
  if (signal.aborted || run.progress.readWhole(run.context().pins ?? []) !== null) return false;
  return await run.failover.fillGaps(signal);
}

class Dedupe {
  readonly #run: Run;
  readonly #memory: DedupeMemory;
  readonly #sites: SitesSeen | null;
  #merge!: Merge;
  #second!: SecondReading;
  #rebuild!: Rebuild;
  readonly #offers: Offers;
  #evictedTold = 0;
  #told: { readonly duplicates: number; readonly tombstones: number; readonly filtered: number };

  constructor(run: Run) {
    this.#run = run;
    this.#memory = run.memory ?? new DedupeMemory(run.edges.settings.dedupeMaxEntries);
    this.#sites =
      run.job.spec.readMode === 'union' ? new SitesSeen(run.edges.settings.dedupeMaxEntries) : null;
    this.#offers = new Offers(run.work);
    this.#told = { ...run.progress.counts };
    run.isRemembered = run.memory !== null;
    run.memory = null;
  }

  /** Everything of one reading; the first one fills the memory before anything new is judged. */
  async read(reading: Reading, signal: AbortSignal): Promise<void> {
    this.#begin(reading);
    if (!this.#run.isRemembered) {
      const beyond = await fillMemory({
        run: this.#run,
        reading,
        merge: this.#merge,
        second: this.#second,
        rebuild: this.#rebuild,
        memory: this.#memory,
        sites: this.#sites,
        offers: this.#offers,
      });
      // Forgotten again, as the earlier owner had counted.
      this.#evictedTold = this.#memory.evicted;
      if (signal.aborted) return;
      this.#run.isRemembered = true;
      if (beyond) {
        // The done minutes were read beyond the cut: from the cut on everything is judged.
        this.#run.readOn(this.#run.context().pins ?? []);
        return;
      }
    }
    this.#run.enter('streaming');
    await this.#stream(signal);
  }

  /** What its merge had at hand is given back. */
  leave(reading: Reading): void {
    reading.release(this.#merge.leave());
  }

  #begin(reading: Reading): void {
    const sources = reading.sources.map(({ pin, batches }) => ({ source: pin.source, batches }));
    this.#merge = new Merge(sources, {
      batch: (batch, scannedAlready) => {
        this.#passed(batch, scannedAlready);
      },
    });
    const pins = reading.sources.map(({ pin }) => pin);
    this.#second = new SecondReading(pins, this.#run.progress.letters);
    this.#rebuild = new Rebuild(this.#run, this.#run.isRemembered ? [] : pins);
  }

  /** Judges everything from the cut on, oldest first, until all sources have ended. */
  async #stream(signal: AbortSignal): Promise<void> {
    for (;;) {
      const event = this.#merge.takeReady() ?? (await this.#flushThenNext());
      if (!event || signal.aborted) break;
      this.#run.progress.counts.scanned += this.#merge.scannedForLast;
      this.#judge(event);
      if (this.#offers.isFull) await this.#offers.flush();
    }
    // An owner that comes when everything was judged passes no batch: what its memory was filled with is told here.
    this.#tellCounts();
    await this.#offers.flush();
  }

  #judge(event: LogEvent): void {
    const { counts, cut, letters } = this.#run.progress;
    if (!this.#second.concerns(event)) {
      cut.advance(event.source, event.offset + 1);
      this.#release(event);
      return;
    }
    letters.met(event.identity);
    if (event.value === null) {
      this.#release(event);
      if (event.isFiltered) {
        counts.matched++;
        counts.filtered++;
      } else counts.tombstones++;
      cut.advance(event.source, event.offset + 1);
      return;
    }
    counts.matched++;
    this.#sites?.see(event);
    if (!this.#memory.add(event.identity)) {
      counts.duplicates++;
      cut.advance(event.source, event.offset + 1);
      this.#release(event);
      return;
    }
    this.#tellEvictions();
    cut.owe(event.source, event.offset, event.identity);
    cut.advance(event.source, event.offset + 1);
    this.#offers.add(event);
  }

  /** Nothing is at hand: what was collected goes out before waiting for more. */
  async #flushThenNext(): Promise<LogEvent | null> {
    await this.#offers.flush();
    return this.#merge.next();
  }

  /** A batch is used up: the cut moves past its tail, its gaps become the job's. */
  #passed(batch: EventBatch, scannedAlready: number): void {
    const { progress } = this.#run;
    for (const gap of batch.gaps) this.#miss(gap);
    progress.counts.disorderMs = Math.max(progress.counts.disorderMs, batch.disorderMs);
    this.#rebuild.reached(batch.source, batch.next);
    if (batch.next <= this.#rebuild.knownOf(batch.source)) return;
    this.#tellCounts();
    progress.counts.scanned += batch.scanned - scannedAlready;
    progress.cut.advance(batch.source, batch.next);
  }

  /** Above the cut it is missing from what is delivered, below it only from the memory. */
  #miss(gap: Gap): void {
    // What is beyond the cut is read again and told then.
    const known = this.#rebuild.knownOf(gap.source);
    for (const part of this.#second.ownPartsOf(gap)) {
      this.#rebuild.lost({ ...part, to: Math.min(part.to, known) });
      if (part.to > known) this.#run.progress.gap({ ...part, from: Math.max(part.from, known) });
    }
  }

  #release(event: LogEvent): void {
    this.#run.budget.release(heldBytes(event));
  }

  /** Once per batch: what was dropped since the last one. */
  #tellCounts(): void {
    const { duplicates, tombstones, filtered } = this.#run.progress.counts;
    const told = this.#told;
    this.#told = { duplicates, tombstones, filtered };
    if (this.#sites) this.#run.progress.counts.onlyIn = this.#sites.onlyIn();
    this.#run.edges.emit('dedupe.done', {
      duplicates: duplicates - told.duplicates,
      tombstones: tombstones - told.tombstones,
      filtered: filtered - told.filtered,
    });
  }

  #tellEvictions(): void {
    const news = this.#memory.evicted - this.#evictedTold;
    if (news === 0) return;
    this.#evictedTold = this.#memory.evicted;
    this.#run.progress.counts.evicted += news;
    this.#run.edges.emit('dedupe.evicted', { jobId: this.#run.job.id, identities: news });
  }
}
