// Child of ONGOING: decides once per record whether it is a new event, and offers new ones to delivery in
// small chunks. It stands at the cut's `next`: what it passes is dropped, filtered or owed in the same instant.
//
// Resume: the memory lives in the process, but the log is the truth, so it is filled again by reading
// [start, next) of ALL sources before anything new is judged. An owed position is delivered without asking the
// memory: its copy may already be in there (see owed-again.ts). What can no longer be read there is counted: a
// copy of it further on would be sent again, and the job's stated bound says so.

import { DedupeMemory } from '../domain/dedupe-memory.ts';
import { logSourceOf } from '../domain/ids.ts';
import { covers } from '../domain/job.ts';
import type { Gap, Pin } from '../domain/job.ts';
import type { EventBatch, LogEvent } from '../domain/log.ts';
import { EarliestMinutes } from '../domain/earliest-minutes.ts';
import { MINUTE_MS } from '../domain/minute-ledger.ts';
import { heldBytes } from './memory-budget.ts';
import { Merge } from './merge.ts';
import { OwedAgain } from './owed-again.ts';
import { PipeAborted } from './pipe.ts';
import type { Reading } from './reading.ts';
import { Rebuild } from './rebuild.ts';
import type { Run } from './run.ts';
import { SecondReading } from './second-reading.ts';
import { SitesSeen } from './sites-seen.ts';

/** What is offered at once is owed at once: small, and at most 1 MiB of values. */
const CHUNK_EVENTS = 64;
const CHUNK_BYTES = 1_048_576;

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
  #earliest = new EarliestMinutes();
  #chunk: LogEvent[] = [];
  /** In strict order: owed events, until all of them are found. */
  #heldBack: LogEvent[] = [];
  #chunkBytes = 0;
  #evictedTold = 0;
  #told: { readonly duplicates: number; readonly tombstones: number; readonly filtered: number };

  constructor(run: Run) {
    this.#run = run;
    this.#memory = run.memory ?? new DedupeMemory(run.edges.settings.dedupeMaxEntries);
    this.#sites =
      run.job.spec.readMode === 'union' ? new SitesSeen(run.edges.settings.dedupeMaxEntries) : null;
    this.#told = { ...run.progress.counts };
    run.isRemembered = run.memory !== null;
    run.memory = null;
  }

  /** Everything of one reading; the first one fills the memory before anything new is judged. */
  async read(reading: Reading, signal: AbortSignal): Promise<void> {
    this.#begin(reading);
    if (!this.#run.isRemembered) {
      const beyond = await this.#fillMemory(reading);
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

  /**
   * Fills the memory with what lies below the cut and with the done minutes, source by source; owed positions go to
   * delivery. True when something was read beyond the cut.
   */
  async #fillMemory(reading: Reading): Promise<boolean> {
    const { cut } = this.#run.progress;
    const owed = new OwedAgain(this.#run);
    let beyond = false;
    for (const { pin } of reading.sources) {
      const until = this.#rebuild.knownOf(pin.source);
      if (until > cut.nextOf(pin.source)) beyond = true;
      if (until > pin.start) await this.#readAgain(pin, until, owed);
    }
    const { sendInstead, release, remember } = owed.conclude();
    // Read source by source; strict order is by time over all of them.
    const held = [...this.#heldBack, ...sendInstead].toSorted((a, b) => a.timestampMs - b.timestampMs);
    this.#heldBack = [];
    for (const event of held) this.#offer(event);
    for (const event of release) this.#release(event);
    for (const identity of remember) this.#memory.add(identity);
    // What is done belongs to the minute of its earliest copy, as when the ledger was compared.
    const done = reading.sources.flatMap(({ pin }) => (pin.done ? [pin.done] : []));
    for (const identity of this.#earliest.within(done[0]?.minutes ?? [])) this.#memory.add(identity);
    this.#earliest = new EarliestMinutes();
    // Forgotten again, as the earlier owner had counted.
    this.#evictedTold = this.#memory.evicted;
    this.#rebuild.end();
    await this.#flush();
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
      if (event.value === null || this.#isInGap(event) || !this.#second.concerns(event)) {
        this.#release(event);
        continue;
      }
      if (pin.done && event.offset < pin.done.below) this.#earliest.see(event.identity, minuteOf(event));
      if (event.offset >= next) {
        this.#release(event);
        continue;
      }
      const fate = owed.meet(event);
      if (fate !== 'other') this.#sites?.see(event);
      if (fate === 'owed' && this.#run.job.spec.order === 'strict') this.#heldBack.push(event);
      else if (fate === 'owed') this.#offer(event);
      else if (fate === 'other') {
        this.#feed(event);
        this.#release(event);
      }
      if (this.#isFull) await this.#flush();
    }
  }

  #feed(event: LogEvent): void {
    if (this.#second.isCopyOfLetter(event)) return;
    this.#run.progress.letters.met(event.identity);
    this.#sites?.see(event);
    this.#memory.add(event.identity);
  }

  /** Judges everything from the cut on, oldest first, until all sources have ended. */
  async #stream(signal: AbortSignal): Promise<void> {
    for (;;) {
      const event = this.#merge.takeReady() ?? (await this.#flushThenNext());
      if (!event || signal.aborted) break;
      this.#run.progress.counts.scanned += this.#merge.scannedForLast;
      this.#judge(event);
      if (this.#isFull) await this.#flush();
    }
    await this.#flush();
  }

  /** A recorded gap never feeds the memory, even if it is readable now: its copies must still be sent. */
  #isInGap({ source, offset }: LogEvent): boolean {
    const { gaps } = this.#run.job;
    if (gaps.length === 0) return false;
    const base = logSourceOf(source);
    return gaps.some((gap) => covers(gap, { source: base, offset }));
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
      counts.tombstones++;
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
    this.#offer(event);
  }

  #offer(event: LogEvent): void {
    this.#chunk.push(event);
    this.#chunkBytes += event.value?.length ?? 0;
  }

  get #isFull(): boolean {
    return this.#chunk.length >= CHUNK_EVENTS || this.#chunkBytes >= CHUNK_BYTES;
  }

  /** Nothing is at hand: what was collected goes out before waiting for more. */
  async #flushThenNext(): Promise<LogEvent | null> {
    await this.#flush();
    return this.#merge.next();
  }

  async #flush(): Promise<void> {
    if (this.#chunk.length === 0) return;
    const chunk = this.#chunk;
    this.#chunk = [];
    this.#chunkBytes = 0;
    await this.#run.work.put(chunk);
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

const minuteOf = ({ timestampMs }: LogEvent): number => Math.floor(timestampMs / MINUTE_MS);
