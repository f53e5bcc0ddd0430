// Port to the delivery log: find a webhook's range in it, and read that range as batches of matched events.
// Pull, not push: a stream does at most one fetch ahead of what is asked, so back-pressure needs no protocol.
// Invariant for implementers: never a record of another key, never one outside [fromMs, toMs) or the offsets,
// and every offset below `next` was either yielded, walked over, or is named in a gap.

import type { SourceName } from './ids.ts';
import type { BatchMark, EventFilter, Evidence, Gap, IdentityMode, Pin } from './job.ts';

/** One record of this webhook in range. Its bytes are its own copy and pin no larger buffer for long. */
export interface LogEvent {
  readonly source: SourceName;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** null = a tombstone or filtered: only counted. An empty buffer is an event with an empty body. */
  readonly value: Buffer | null;
  /** An event that the request's filters leave out: it has no value here, and no identity. Absent = no. */
  readonly isFiltered?: true;
  /** The stable `webhook-id` (see domain/identity); empty without a value. */
  readonly eventId: string;
  /** 128 bits of SHA-256 of the identity as 22 base64url characters; empty without a value. */
  readonly identity: string;
  /** All of that SHA-256, as 32 latin1 characters, for the minute ledger; empty without a value. */
  readonly digest: string;
  /** Records walked over in this batch up to and including this one. */
  readonly scannedBefore: number;
}

export interface EventBatch {
  readonly source: SourceName;
  readonly events: readonly LogEvent[];
  /** The next offset to read: everything below is in this or an earlier batch. Rises, also without events. */
  readonly next: number;
  /** Records walked over. */
  readonly scanned: number;
  /** Bytes fetched from the broker for it. */
  readonly bytes: number;
  /**
   * About the lowest time still to come (ms since 1970), for merging sources oldest first; Infinity when the
   * source has caught up with its log's end. A hint for order only: nothing is lost when it is wrong.
   */
  readonly frontierMs: number;
  readonly gaps: readonly Gap[];
  /** The largest step back in time seen so far (ms). */
  readonly disorderMs: number;
  /** True on the last batch: the pinned end is reached, or nothing of the range can follow. */
  readonly done: boolean;
}

export interface RangeRequest {
  readonly key: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly identity: IdentityMode;
  readonly scan: 'bounded' | 'full';
}

export interface StreamRequest extends RangeRequest {
  readonly pin: Pin;
  /** First offset to read, >= pin.start. */
  readonly start: number;
  /** Which events are wanted; what does not pass comes without its value. Absent = all. */
  readonly filters?: readonly EventFilter[];
  /**
   * The pinned end; null while it is not pinned: the stream then follows the log. Asked before each fetch.
   * A rebuild passes its own bound.
   */
  readonly end: () => number | null;
  /**
   * An offset below the end that a bounded scan must not stop before, however late the records are: what an
   * earlier reading has passed. A log that ends below it was truncated.
   */
  readonly mustReach?: () => number;
  /** Told when the stream begins or ends a wait (nothing to fetch, broker unreachable, open transaction). */
  readonly onWait?: (wait: ReadWait | null) => void;
}

export interface ReadWait {
  readonly why: 'log_end' | 'broker' | 'open_transaction';
  readonly sinceMs: number;
  readonly detail: string;
}

export interface LogStream {
  /** The next batch; after one with `done` there is none. Rejects only with AbortError or RepriseError. */
  next(): Promise<EventBatch>;
  /** Ends fetches in flight and frees buffers; idempotent. */
  close(): Promise<void>;
}

export interface Lookup {
  readonly site: string;
  readonly partition: number;
  /** One per source of the site; ends null when `pinEnds` was false, and of copies (see `ends`). */
  readonly pins: readonly Pin[];
  /** Upper bound of records in the pins, as far as known. */
  readonly maxRecords: number;
  /** `retention`: the log begins after fromMs, so events before its first record may be gone. Streams do not repeat it. */
  readonly gaps: readonly Gap[];
}

/** What a mirrored topic is a copy of. */
export interface Upstream {
  readonly site: string;
  readonly topic: string;
}

export interface EndsRequest {
  /** Of the range: what an empty upstream may have held. */
  readonly fromMs: number;
  /** When the range was settled (ms since 1970): heartbeats of later show that the mirror works. */
  readonly settledAtMs: number;
  /** How long to wait for a copy to be proven whole. */
  readonly mirrorWaitMs: number;
  /** What is or was read to its end itself: a copy of it needs no proof. */
  readonly readThemselves: ReadonlySet<SourceName>;
  /** Told which copy is waited for and why; null when it is not any more. */
  readonly onWait: (source: SourceName, why: string | null) => void;
}

export interface PinnedEnds {
  readonly ends: Readonly<Record<SourceName, number>>;
  /** Of each copy that was asked for. */
  readonly evidence: Readonly<Record<SourceName, Evidence>>;
}

export interface SiteStatus {
  readonly site: string;
  readonly reachable: boolean;
  /** What is wrong, in words for an operator; null when fine. */
  readonly problem: string | null;
  /** Since when that is so (ms since 1970). */
  readonly sinceMs: number;
}

/** What an instance reads: claims prefer jobs that can share it. */
export interface ReadingNow {
  /** Of each topic; null before it is known. */
  readonly partitions: number | null;
  /** Partitions with a stream that is open. */
  readonly now: readonly number[];
}

export interface DeliveryLog {
  /** In the order of preference. */
  readonly sites: readonly string[];
  /** Partition of the key and offsets of [fromMs, ...) at one site. Retries until `signal` aborts. */
  lookup(site: string, range: RangeRequest, pinEnds: boolean, signal: AbortSignal): Promise<Lookup>;
  /** The high watermarks of the pins' partitions now. Retries until `signal` aborts. */
  watermarks(pins: readonly Pin[], signal: AbortSignal): Promise<Readonly<Record<SourceName, number>>>;
  /**
   * Watermarks that hold the whole range, to be asked once it is settled: a copy's is taken when it is proven whole,
   * or when the wait is over. A copy of what is read itself is not waited for: it has evidence at once, or none.
   */
  ends(pins: readonly Pin[], request: EndsRequest, signal: AbortSignal): Promise<PinnedEnds>;
  /** What is found now at each pin's first batch: compare with `pin.first` before a job continues. */
  marks(pins: readonly Pin[], signal: AbortSignal): Promise<Readonly<Record<SourceName, BatchMark | null>>>;
  stream(request: StreamRequest, signal: AbortSignal): LogStream;
  /** Of the last check, without asking the brokers now. */
  status(): readonly SiteStatus[];
  reading(): ReadingNow;
}
