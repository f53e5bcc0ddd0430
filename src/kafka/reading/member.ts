// One stream as the shared reading sees it: what it wants, how far it is, what waits to be taken. A member belongs
// to at most one group at a time; its place in the log is its own, so that it can leave one group for another.
//
//   group ── accept(hit), passed(slice), gap ──> open batch ──> sealed batches ──ask()──> the stream's owner
//
// Invariants: `next` only rises; every offset below it is in a batch, was walked over or is named in a gap; a batch
// goes out once, in order; after one with `done` there is none. Bounded by its own limits, which the group obeys:
// a member that is full holds its group back, or leaves it.

import type { Gap, GapReason, Pin } from '../../domain/job.ts';
import type { RangeRequest, ReadWait, StreamRequest } from '../../domain/log.ts';
import type { RecordHit } from '../record-walk.ts';
import { SameLog } from './same-log.ts';
import { TimeWatch } from '../time-watch.ts';
import { Packer } from './packed-batch.ts';
import type { PackedBatch } from './packed-batch.ts';

export interface MemberRequest extends RangeRequest {
  readonly pin: Pin;
  /** First offset to read. */
  readonly start: number;
  /** As known now; told anew with each question. */
  readonly end: number | null;
  readonly filters?: StreamRequest['filters'];
  readonly mustReach: number;
  readonly disorderSlackMs: number;
}

/** What a member's owner is told beside the batches that it asks for. */
export interface MemberEvents {
  wait(wait: ReadWait | null): void;
  gap(gap: Gap): void;
}

/** What a slice of the log was to everybody who read along. */
export interface Slice {
  readonly next: number;
  readonly scanned: number;
  readonly bytes: number;
  readonly lastTimestampMs: number | null;
  readonly caughtUp: boolean;
}

/** A batch is sealed at this size: what is on its way between two threads is held by nobody's budget. */
const BATCH_EVENTS = 512;
const BATCH_BYTES = 256 * 1024;
/** Of these a batch is worth a message, which wakes the other thread; fewer wait until the response is scanned. */
const WORTH_EVENTS = 128;
/** How far a stream reads ahead: so long as its owner needs for it, and so many events at least. */
const AHEAD_MS = 200;
const LEAST_EVENTS = 128;
/** Over which the owner's pace is averaged. */
const RATE_MS = 500;
/** A batch that only says how far the reading is, at most this often. */
const PROGRESS_MS = 50;

export class Member {
  readonly request: MemberRequest;
  readonly key: Buffer;
  readonly watch: TimeWatch;
  readonly sameLog: SameLog;
  /** Everything below is accounted for. */
  next: number;
  /** As the owner said last: null while the end is not pinned. */
  end: number | null;
  mustReach: number;
  /** How much may wait here to be taken at most; shared out by the thread. */
  most = { events: Infinity, bytes: Infinity };
  /** Events taken per millisecond, lately. */
  #rate = 0;
  readonly #events: MemberEvents;
  readonly #packer: Packer;
  readonly #sealed: PackedBatch[] = [];
  #sealedEvents = 0;
  #sealedBytes = 0;
  #gaps: Gap[] = [];
  #scanned = 0;
  #bytes = 0;
  #lastMs: number;
  #caughtUp = false;
  #isDone = false;
  #failure: Error | null = null;
  #asked: PromiseWithResolvers<PackedBatch> | null = null;
  #askedMs = 0;
  #takenMs = performance.now();
  #saidMs = -Infinity;
  #saidNext: number;
  #wait: ReadWait | null = null;
  /** Called when something about it changed that its group may wait for. */
  onChange: () => void = () => undefined;

  constructor(request: MemberRequest, events: MemberEvents) {
    this.request = request;
    this.key = Buffer.from(request.key, 'utf8');
    this.watch = new TimeWatch(request.toMs, request.disorderSlackMs);
    this.sameLog = new SameLog(request.pin);
    this.next = this.#saidNext = request.start;
    this.end = request.end;
    this.mustReach = request.mustReach;
    this.#events = events;
    this.#packer = new Packer(request.identity, request.filters);
    this.#lastMs = request.fromMs;
    this.#settle();
  }

  get isFull(): boolean {
    return this.#waitingEvents >= this.most.events || this.#waitingBytes >= this.most.bytes;
  }

  /** Whether most of what may wait here does: a sign of an owner slower than those it reads with. */
  get isLagging(): boolean {
    return this.#waitingEvents > this.most.events / 2 || this.#waitingBytes > this.most.bytes / 2;
  }

  /** Whether it has less than its owner takes in a while. A group reads for the neediest. */
  get wantsMore(): boolean {
    return this.#waitingEvents < this.#enough && !this.isLagging;
  }

  /** Since when its owner waits for events and there are none (monotonic ms); null when he does not. */
  get hungrySinceMs(): number | null {
    return this.#asked === null || this.#packer.count > 0 ? null : this.#askedMs;
  }

  /** Whether nothing more is to be read for it. */
  get isDone(): boolean {
    return this.#isDone || this.#failure !== null;
  }

  /** Up to where there were records once: the pinned end, or what an earlier reading has passed. */
  get due(): number | null {
    if (this.end !== null) return this.end;
    return this.mustReach > this.next ? this.mustReach : null;
  }

  /** The next batch. One question at a time. */
  ask(end: number | null, mustReach: number): Promise<PackedBatch> {
    this.end = end;
    this.mustReach = mustReach;
    if (this.#failure) return Promise.reject(this.#failure);
    this.#asked = Promise.withResolvers();
    this.#askedMs = performance.now();
    const { promise } = this.#asked;
    this.#answer(1);
    this.onChange();
    return promise;
  }

  accept(hit: RecordHit): void {
    const { fromMs, toMs } = this.request;
    if (hit.timestampMs < fromMs || hit.timestampMs >= toMs) return;
    this.#packer.add(hit, this.#scanned + hit.scannedBefore);
    if (this.#packer.count < BATCH_EVENTS && this.#packer.bytes < BATCH_BYTES) return;
    this.#scanned += hit.scannedBefore;
    this.next = hit.offset + 1;
    this.#seal(false);
    // What the rest of the slice says of records walked counts from its beginning.
    this.#scanned = -hit.scannedBefore;
  }

  /** To be called after the hits of a slice were accepted. */
  passed({ next, scanned, bytes, lastTimestampMs, caughtUp }: Slice): void {
    this.#scanned += scanned;
    this.#bytes += bytes;
    this.next = next;
    if (lastTimestampMs !== null) this.#lastMs = lastTimestampMs;
    this.#caughtUp = caughtUp;
    this.#settle();
    this.#answer(this.isFull ? 1 : WORTH_EVENTS);
  }

  gap(from: number, to: number, reason: GapReason): void {
    const gap = { source: this.request.pin.source, from, to, reason };
    this.#gaps.push(gap);
    this.#events.gap(gap);
    // A gap below is of records that were rewritten behind this reading; it does not move back.
    this.next = Math.max(this.next, to);
    this.#settle();
    this.#answer(1);
  }

  /** The log has nothing more for now; `caughtUp` = because everything that was written is read. */
  idle(caughtUp: boolean): void {
    this.#caughtUp = caughtUp;
    this.#answer(0);
  }

  /** Before its group rests, or at the end of a response: says how far it is if that is news. */
  tell(): void {
    if (this.#packer.count > 0 || this.#gaps.length > 0) this.#answer(1);
    else if (this.next > this.#saidNext && performance.now() - this.#saidMs > PROGRESS_MS) this.#answer(0);
  }

  waits(wait: ReadWait | null): void {
    if (wait === null && this.#wait === null) return;
    this.#wait = wait;
    if (wait) this.#answer(this.next > this.#saidNext ? 0 : 1);
    this.#events.wait(wait);
  }

  /** Ends it for good, now. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#asked?.reject(this.#failure);
    this.#asked = null;
  }

  /** Whether nothing is to be read because the end is reached, or nothing of the range can follow. */
  #settle(): void {
    const { end, next } = this;
    const isPast = this.request.scan === 'bounded' && this.watch.isPast() && next >= this.mustReach;
    if (end !== null && (next >= end || isPast)) this.#isDone = true;
  }

  /**
   * Enough for AHEAD_MS of what its owner takes. More would only part it from who begins a little later: what is read
   * for nobody yet is read again for him.
   */
  get #enough(): number {
    return Math.max(LEAST_EVENTS, this.#rate * AHEAD_MS);
  }

  get #waitingEvents(): number {
    return this.#sealedEvents + this.#packer.count;
  }

  get #waitingBytes(): number {
    return this.#sealedBytes + this.#packer.bytes;
  }

  /** Gives the oldest batch to who asked; the open one when it holds at least so many events. */
  #answer(fromEvents: number): void {
    const asked = this.#asked;
    if (!asked) return;
    this.#settle();
    let batch = this.#sealed.shift();
    if (!batch) {
      const isWorth = this.#packer.count >= fromEvents || this.#gaps.length > 0;
      if (!isWorth && !this.#isDone) return;
      this.#seal(this.#isDone);
      batch = this.#sealed.shift();
      if (!batch) return;
    }
    this.#sealedEvents -= batch.count;
    this.#sealedBytes -= bytesOf(batch);
    const nowMs = performance.now();
    const sinceMs = Math.max(1, nowMs - this.#takenMs);
    if (batch.count > 0) {
      // Weighed by time, so that neither many small batches nor a pause says too much.
      this.#rate += (batch.count / sinceMs - this.#rate) * Math.min(1, sinceMs / RATE_MS);
      this.#takenMs = nowMs;
    }
    this.#saidMs = nowMs;
    this.#saidNext = batch.next;
    this.#asked = null;
    asked.resolve(batch);
  }

  #seal(done: boolean): void {
    const batch: PackedBatch = {
      ...this.#packer.take(),
      next: this.next,
      scanned: this.#scanned,
      bytes: this.#bytes,
      frontierMs: this.#caughtUp || done ? Infinity : this.#lastMs,
      gaps: this.#gaps,
      disorderMs: this.watch.disorderMs,
      done,
    };
    this.#gaps = [];
    this.#scanned = 0;
    this.#bytes = 0;
    this.#sealed.push(batch);
    this.#sealedEvents += batch.count;
    this.#sealedBytes += bytesOf(batch);
  }
}

const bytesOf = ({ ids, chunks }: PackedBatch): number =>
  chunks.reduce((sum, { byteLength }) => sum + byteLength, ids.byteLength);
