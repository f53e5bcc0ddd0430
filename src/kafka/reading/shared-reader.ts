// Reads one partition once for all who read along: asks FetchAhead, lets the scanner look for all their keys at
// once, gives each its own, and applies the law of what to do with everything that can go wrong (read-trouble.ts).
//
//   step() ── a slice of the response at hand ─┐  one fetch in flight behind it when everybody wants more;
//             or one fetch                     │  nothing is asked before step() is called: back-pressure
//
// Invariants: `position` only rises; a slice never goes over a place where somebody begins or ends; whatever is
// said of offsets is said to everybody whom they concern; no error of a broker ends the reading, only AbortError
// and RepriseError do. Refuses to know who should read together (scan-group.ts).

import { setImmediate } from 'node:timers/promises';
import type { ReadWait } from '../../domain/log.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { Emit } from '../../domain/signals.ts';
import { RepriseError, messageOf } from '../../domain/errors.ts';
import { AbortedTransactions } from '../aborted.ts';
import { offsetAfter } from '../batch-header.ts';
import type { Connections } from '../connections.ts';
import { ERROR_CODES, describeCode } from '../error-codes.ts';
import { isThrottled } from '../fetch-protocol.ts';
import type { FetchResponse } from '../fetch-protocol.ts';
import { scanRecords } from '../record-scanner.ts';
import type { Scan } from '../record-scanner.ts';
import { abortError, untilAborted } from '../retrying.ts';
import { FetchAhead } from './fetch-ahead.ts';
import type { Place } from './fetch-ahead.ts';
import type { Member } from './member.ts';
import { MemberSet } from './member-set.ts';
import { ReadTrouble } from './read-trouble.ts';
import { SharedProof } from './same-log.ts';
import { SharedWatch } from './shared-watch.ts';
import { firstSlice, restFrom } from './slices.ts';

/** The broker reads its watermark before its records, so what it sends may lie a little behind it. */
const WATERMARK_LAG = 100_000;

export interface ReaderOptions {
  readonly openTransactionWaitMs: number;
  readonly fetchMaxBytes: number;
  /** How many events of one stream may wait to be taken; about 2,000 when absent. */
  readonly waitingEvents?: number;
}

export interface ReadPlace extends Place {
  readonly source: SourceName;
}

/** A response whose records are not all scanned. */
interface Held {
  readonly response: FetchResponse;
  readonly aborted: AbortedTransactions;
  rest: Buffer;
}

export class SharedReader {
  readonly members = new MemberSet();
  readonly #place: ReadPlace;
  readonly #emit: Emit;
  readonly #signal: AbortSignal;
  readonly #fetches: FetchAhead;
  readonly #trouble: ReadTrouble;
  readonly #watch = new SharedWatch();
  /** The offset that nothing is to be read from, because others have read it: set by the group. */
  limit: () => number = () => Infinity;
  position: number;
  /** Bytes of the log per offset, as far as it was read. */
  bytesPerOffset = 0;
  #held: Held | null = null;

  constructor(
    place: ReadPlace,
    position: number,
    connections: Connections,
    options: ReaderOptions,
    emit: Emit,
    signal: AbortSignal,
  ) {
    this.#place = place;
    this.position = position;
    this.#emit = emit;
    this.#signal = signal;
    const { members } = this;
    const { source } = place;
    this.#fetches = new FetchAhead(
      connections,
      place,
      new SharedProof(members.all),
      options.fetchMaxBytes,
      (bytes) => emit('read.fetched', { source, bytes }),
    );
    const tell = (wait: ReadWait | null): void => members.waits(wait);
    this.#trouble = new ReadTrouble(source, this.#fetches, tell, emit, signal, options);
    signal.addEventListener('abort', () => this.release(), { once: true });
  }

  release(): void {
    this.#drop();
    this.#fetches.release();
  }

  /** One slice of the response at hand, or one fetch. */
  async step(): Promise<void> {
    if (this.#signal.aborted) throw abortError(this.#signal);
    this.#moveUp();
    this.#held ??= await this.#fetch();
    const held = this.#held;
    if (held) await this.#slice(held);
  }

  /** null when there is nothing to scan: that is already dealt with, and waited for. */
  async #fetch(): Promise<Held | null> {
    const response = await this.#answer();
    let held: Held | null = null;
    try {
      if (response) held = await this.#judge(response);
    } finally {
      if (!held) response?.release();
    }
    return held;
  }

  async #judge(response: FetchResponse): Promise<Held | null> {
    if (response.errorCode === ERROR_CODES.offsetOutOfRange) {
      await this.#outside();
      return null;
    }
    if (isThrottled(response)) {
      await this.#trouble.throttled(response.throttleMs);
      return null;
    }
    if (response.errorCode !== 0) {
      await this.#trouble.failed(describeCode(response.errorCode));
      return null;
    }
    this.#trouble.answered();
    const { records, highWatermark } = response;
    if (records.length === 0) {
      await this.#nothing(response);
      return null;
    }
    const ahead = offsetAfter(records, this.position);
    if (ahead > this.position) {
      this.bytesPerOffset = records.length / (ahead - this.position);
      // Not past the end, and not when caught up: the next question is then whether the end is pinned by now.
      if (ahead < Math.min(this.members.lastEnd ?? highWatermark, this.limit()) && this.members.isWanting) {
        this.#fetches.ahead(ahead);
      }
    }
    return { response, aborted: new AbortedTransactions(response.aborted), rest: records };
  }

  /** null after a failure, already waited for. */
  async #answer(): Promise<FetchResponse | null> {
    try {
      return await untilAborted(this.#fetches.fetch(this.position), this.#signal);
    } catch (error) {
      if (this.#signal.aborted || error instanceof RepriseError) throw error;
      await this.#trouble.failed(messageOf(error));
      return null;
    }
  }

  async #slice(held: Held): Promise<void> {
    const { members, position } = this;
    const active = members.at(position);
    const until = Math.min(this.limit(), members.nextEdge(position));
    const slice = firstSlice(held.rest);
    const logEnd = held.response.highWatermark + WATERMARK_LAG;
    const wanted = { ...members.keys.wanted, start: position, end: until, logEnd };
    this.#watch.begin(active);
    members.given = { matched: 0, bytes: 0 };
    const scan = scanRecords(slice, wanted, held.aborted, this.#watch, members.take);
    this.#watch.end();
    if (scan.logAppendTime) {
      const { topic } = this.#place;
      throw new RepriseError('log_unusable', `topic ${topic} has message.timestamp.type=LogAppendTime`);
    }
    const moved = scan.next > position;
    this.#passed(scan, active, slice.length, held);
    this.#settleFault(scan, moved, held);
    if (this.#held) held.rest = restFrom(held.rest, this.position);
    if (held.rest.length === 0) this.#drop();
    if (this.#held === null) for (const member of active) member.tell();
    // Lets messages in between slices, and V8 free the native buffers of this one (1.9 GB resident without).
    await setImmediate();
  }

  /** What the slice was, to everybody who has its hits. */
  #passed(scan: Scan, active: readonly Member[], bytes: number, held: Held): void {
    const { next, scanned, lastTimestampMs } = scan;
    this.position = next;
    const share = bytes / active.length;
    const caughtUp = next >= held.response.highWatermark;
    this.members.passed(active, { next, scanned, bytes: share, lastTimestampMs, caughtUp });
    const { source } = this.#place;
    const { disorderMs } = this.#watch;
    this.#emit('read.batch', { source, records: scanned, ...this.members.given, disorderMs });
  }

  #settleFault({ fault }: Scan, moved: boolean, held: Held): void {
    if (fault) {
      this.#drop(); // fetched once more
      const gapTo = this.#trouble.faultEnd(fault, held.response.highWatermark);
      if (gapTo !== null) this.members.gap(fault.from, gapTo, fault.reason);
      else if (!moved) return;
    } else if (!moved) {
      this.#drop();
      if (this.#fetches.grow()) return;
      this.members.gap(this.position, this.position + 1, 'unreadable_batch');
    }
    this.#trouble.dataCame();
  }

  /** A fetch without records: the log's end, an open transaction, or a broker that owes an answer. */
  async #nothing({ highWatermark, lastStableOffset }: FetchResponse): Promise<void> {
    const { due, isAnyPinned } = this.members;
    const atLogEnd = this.position >= highWatermark;
    if (atLogEnd && due === null) {
      this.members.idle(true);
      this.#trouble.logEnd();
      return;
    }
    const open = this.position >= lastStableOffset && !atLogEnd;
    const given = open
      ? this.#trouble.openTransaction(isAnyPinned)
      : await this.#trouble.stalled(due, atLogEnd);
    if (given !== null) this.members.missing(given);
    if (open) this.members.idle(false);
  }

  async #outside(): Promise<void> {
    const found = await this.#trouble.outOfRange(this.position);
    if (found) this.members.outside(found);
  }

  /** What everybody has passed need not be read. */
  #moveUp(): void {
    const { lowest } = this.members;
    if (lowest <= this.position || lowest === Infinity) return;
    this.position = lowest;
    if (!this.#held) return;
    this.#held.rest = restFrom(this.#held.rest, lowest);
    if (this.#held.rest.length === 0) this.#drop();
  }

  /** Nothing of the response may be looked at from here on. */
  #drop(): void {
    this.#held?.response.release();
    this.#held = null;
  }
}
