// What a reader does when a fetch brings no records. The law in one table:
//
//   connection lost, timeout, any error code    wait (backoff), new connection with fresh metadata, same offset
//   offset below the earliest                   gap `retention` up to the earliest
//   the broker's quota keeps the records back   wait as long as the broker says, same connection
//   offset above the newest, twice              gap `truncated`
//   the log ends before what is due, bounded    gap `truncated` up to the pinned end, or to the earlier cut
//   a batch that cannot be read, twice          gap with the batch's offsets
//   open transaction before the pinned end      wait, bounded, then gap `open_transaction` up to the end
//   no records although there are, bounded      gap `read_stalled` up to the pinned end
//   another first batch than was pinned         the reading ends for good: `log_replaced` (same-log.ts)
//
// Owned here: the counters of these waits and who is told about them. Refused: moving the position (reader).

import type { GapReason } from '../../domain/job.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { ReadWait } from '../../domain/log.ts';
import type { Emit } from '../../domain/signals.ts';
import { RepriseError, messageOf } from '../../domain/errors.ts';
import type { FetchAhead } from './fetch-ahead.ts';
import type { ScanFault } from '../record-scanner.ts';
import { untilAborted, waitBackoff, waitMs } from '../retrying.ts';

/** With full jitter up to 5 s some 15 s: longer than a leader election. */
const MAX_STALLS = 10;
const OVER_QUOTA = "throttled by the broker's quota";

/** Where the log begins now, or where it ends now: the offset asked for lies before, or behind. */
export type OutOfRange =
  | { readonly reason: 'retention'; readonly earliest: number }
  | { readonly reason: 'truncated'; readonly latest: number };

export class ReadTrouble {
  readonly #source: SourceName;
  readonly #fetches: FetchAhead;
  readonly #onWait: (wait: ReadWait | null) => void;
  readonly #emit: Emit;
  readonly #signal: AbortSignal;
  readonly #openTransactionWaitMs: number;
  #failures = 0;
  #stalls = 0;
  #wait: ReadWait | null = null;
  #openSinceMs: number | null = null;
  #suspectBatch: number | null = null;
  #truncation: 'none' | 'suspected' | 'reported' = 'none';

  constructor(
    source: SourceName,
    fetches: FetchAhead,
    onWait: (wait: ReadWait | null) => void,
    emit: Emit,
    signal: AbortSignal,
    options: { readonly openTransactionWaitMs: number },
  ) {
    this.#source = source;
    this.#fetches = fetches;
    this.#onWait = onWait;
    this.#emit = emit;
    this.#signal = signal;
    this.#openTransactionWaitMs = options.openTransactionWaitMs;
  }

  /** A lost connection or an error code: waits, and lets the next fetch use a fresh connection. */
  async failed(error: string): Promise<void> {
    this.#failures++;
    this.#emit('read.retry', { source: this.#source, error, attempt: this.#failures });
    this.#tell('broker', error);
    this.#fetches.fail();
    await waitBackoff(this.#failures, this.#signal);
  }

  /** Not a stall and not a failure: a fresh connection would be over the same quota. */
  async throttled(ms: number): Promise<void> {
    if (this.#wait?.detail !== OVER_QUOTA) this.answered();
    this.#tell('broker', OVER_QUOTA);
    await waitMs(ms, this.#signal);
  }

  /** The broker answered without an error. */
  answered(): void {
    this.#failures = 0;
    this.#truncation = 'none';
    if (this.#wait?.why === 'broker') this.#tell(null);
  }

  /** Records were read. */
  dataCame(): void {
    this.#stalls = 0;
    this.#openSinceMs = null;
    this.#tell(null);
  }

  logEnd(): void {
    this.#stalls = 0;
    this.#openSinceMs = null;
    this.#tell('log_end', 'everything written so far is read');
  }

  /** The reason of a gap once the wait has been long enough; it counts only while an end is pinned. */
  openTransaction(isPinned: boolean): GapReason | null {
    const nowMs = Date.now();
    this.#tell('open_transaction', 'a transaction of a producer is open');
    if (!isPinned) return null;
    this.#openSinceMs ??= nowMs;
    return nowMs - this.#openSinceMs >= this.#openTransactionWaitMs ? 'open_transaction' : null;
  }

  /** No records although there are some up to `due`; with `short` the broker says that its log ends before. */
  async stalled(due: number | null, short: boolean): Promise<GapReason | null> {
    this.#stalls++;
    const error = short
      ? `the log ends before offset ${due}, which was there`
      : 'the broker sends no records although there are some';
    this.#emit('read.retry', { source: this.#source, error, attempt: this.#stalls });
    if (due !== null && this.#stalls > MAX_STALLS) {
      this.#stalls = 0;
      if (short) this.#truncation = 'reported';
      return short ? 'truncated' : 'read_stalled';
    }
    this.#tell('broker', error);
    this.#fetches.fail();
    await waitBackoff(this.#stalls, this.#signal);
    return null;
  }

  /** null the first time (fetch it once more); then where the gap ends. A damaged header must not name much. */
  faultEnd(fault: ScanFault, limit: number): number | null {
    if (this.#suspectBatch !== fault.from) {
      this.#suspectBatch = fault.from;
      const error = `${fault.reason} at offset ${fault.from}`;
      this.#emit('read.retry', { source: this.#source, error, attempt: 1 });
      return null;
    }
    this.#suspectBatch = null;
    return fault.to <= limit ? fault.to : fault.from + 1;
  }

  /** Why the broker does not know the offset; null = ask again. */
  async outOfRange(position: number): Promise<OutOfRange | null> {
    try {
      const { earliest, latest } = await untilAborted(this.#fetches.bounds(), this.#signal);
      if (position < earliest) return { reason: 'retention', earliest };
      if (position > latest) {
        if (this.#truncation === 'suspected') {
          this.#truncation = 'reported';
          return { reason: 'truncated', latest };
        }
        if (this.#truncation === 'none') this.#truncation = 'suspected';
      }
      await this.failed(`offset ${position} is outside the log (${earliest} to ${latest})`);
    } catch (error) {
      if (this.#signal.aborted || error instanceof RepriseError) throw error;
      await this.failed(messageOf(error));
    }
    return null;
  }

  #tell(why: ReadWait['why'] | null, detail = ''): void {
    const told = this.#wait;
    if (why === (told?.why ?? null) && detail === (told?.detail ?? '')) return;
    const sinceMs = told?.why === why ? told.sinceMs : Date.now();
    this.#wait = why === null ? null : { why, sinceMs, detail };
    this.#onWait(this.#wait);
  }
}
