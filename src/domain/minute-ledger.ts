// The minute ledger: per event minute the count of what was delivered and of what was dead-lettered, and the
// sum modulo 2^256 of SHA-256(event id). Order-free and mergeable: two parties that settled the same set of
// events hold the same numbers. It is the completion manifest, and after the loss of an owner and its site it
// tells which minutes are already done.
// Refuses to hash: reading has the digest already, as the first half of it is the event's identity, and a hash per event
// was a tenth of what an event in a batch costs.

import type { Piece } from './job.ts';

/** A sum of digests as 16 numbers of 16 bits, lowest last, that carry over only when read: exact for 2^37 events. */
const LANES = 16;
const LANE_SIZE = 0x10000;
const HEX_PER_LANE = 4;
/** The sum of none. */
const NO_DIGEST = '0'.repeat(LANES * HEX_PER_LANE);
export const MINUTE_MS = 60_000;

/** One minute's totals. Digests are 64 hex characters. */
export interface MinuteEntry {
  /** ms since 1970 divided by 60,000, rounded down. */
  readonly minute: number;
  readonly delivered: number;
  readonly deliveredDigest: string;
  readonly deadLettered: number;
  readonly deadLetteredDigest: string;
  /** It was set to zero once and its events were sent again: the receiver may have more than is listed here. */
  readonly resent?: true;
}

interface Totals {
  readonly minute: number;
  isTouched: boolean;
  delivered: number;
  readonly deliveredSum: Float64Array;
  deadLettered: number;
  readonly deadLetteredSum: Float64Array;
  resent: boolean;
}

export class MinuteLedger {
  readonly #minutes = new Map<number, Totals>();
  #touched: Totals[] = [];
  /** Of the last event: the next one is mostly of the same minute. */
  #last: Totals | null = null;

  /** Starts from what is durable. */
  constructor(entries: readonly MinuteEntry[] = []) {
    for (const entry of entries) {
      const { minute, delivered, deadLettered } = entry;
      this.#minutes.set(minute, {
        minute,
        isTouched: false,
        delivered,
        deliveredSum: sumOf(entry.deliveredDigest),
        deadLettered,
        deadLetteredSum: sumOf(entry.deadLetteredDigest),
        resent: entry.resent === true,
      });
    }
  }

  /** `digest`: SHA-256 of the event's id as 32 latin1 characters. */
  delivered(timestampMs: number, digest: string): void {
    const totals = this.#touch(Math.floor(timestampMs / MINUTE_MS));
    totals.delivered++;
    addDigest(totals.deliveredSum, digest);
  }

  /** An event counted in `minute` belongs into another one. */
  takeBack(minute: number, digest: string): void {
    const totals = this.#touch(minute);
    totals.delivered--;
    addDigest(totals.deliveredSum, digest, -1);
  }

  deadLettered(timestampMs: number, digest: string): void {
    const totals = this.#touch(Math.floor(timestampMs / MINUTE_MS));
    totals.deadLettered++;
    addDigest(totals.deadLetteredSum, digest);
  }

  /** Totals of the minutes touched since the last call; give them back with `untake` if the write failed. */
  takeTouched(): readonly MinuteEntry[] {
    const entries = this.#touched.map(entryOf);
    for (const totals of this.#touched) totals.isTouched = false;
    this.#touched = [];
    return entries;
  }

  untake(entries: readonly MinuteEntry[]): void {
    for (const { minute } of entries) this.#touch(minute);
  }

  /** Sets a minute to zero: all of its events are sent again. */
  resend(minute: number): void {
    const totals = this.#touch(minute);
    totals.delivered = totals.deadLettered = 0;
    totals.deliveredSum.fill(0);
    totals.deadLetteredSum.fill(0);
    totals.resent = true;
  }

  /** All minutes, oldest first. */
  entries(): readonly MinuteEntry[] {
    return [...this.#minutes.values()].sort((a, b) => a.minute - b.minute).map(entryOf);
  }

  #touch(minute: number): Totals {
    const totals = this.#last?.minute === minute ? this.#last : this.#totals(minute);
    this.#last = totals;
    if (!totals.isTouched) {
      totals.isTouched = true;
      this.#touched.push(totals);
    }
    return totals;
  }

  #totals(minute: number): Totals {
    let totals = this.#minutes.get(minute);
    if (!totals) {
      const sum = (): Float64Array => new Float64Array(LANES);
      const counts = { delivered: 0, deliveredSum: sum(), deadLettered: 0, deadLetteredSum: sum() };
      totals = { minute, isTouched: false, ...counts, resent: false };
      this.#minutes.set(minute, totals);
    }
    return totals;
  }
}

/** Minutes as sorted runs [from, to). */
export function runsOf(minutes: readonly number[]): readonly Piece[] {
  const runs: [number, number][] = [];
  for (const minute of minutes.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && minute <= last[1]) last[1] = Math.max(last[1], minute + 1);
    else runs.push([minute, minute + 1]);
  }
  return runs;
}

export const isInRuns = (runs: readonly Piece[], minute: number): boolean =>
  runs.some(([from, to]) => minute >= from && minute < to);

function entryOf(totals: Totals): MinuteEntry {
  const { minute, delivered, deadLettered } = totals;
  const deliveredDigest = hexOf(totals.deliveredSum);
  const deadLetteredDigest = deadLettered === 0 ? NO_DIGEST : hexOf(totals.deadLetteredSum);
  const digests = { delivered, deliveredDigest, deadLettered, deadLetteredDigest };
  return { minute, ...digests, ...(totals.resent && { resent: true }) };
}

/** A minute whose events are all sent again. */
export const zeroOf = (minute: number): MinuteEntry => {
  const nothing = {
    delivered: 0,
    deliveredDigest: NO_DIGEST,
    deadLettered: 0,
    deadLetteredDigest: NO_DIGEST,
  };
  return { minute, ...nothing, resent: true };
};

/** Whether what one party found in a minute is what the other settled there, delivered or dead-lettered. */
export function isSettledBy(found: MinuteEntry, settled: MinuteEntry): boolean {
  const sum = new Float64Array(LANES);
  for (const digest of [settled.deliveredDigest, settled.deadLetteredDigest]) {
    sumOf(digest).forEach((lane, at) => (sum[at] = (sum[at] ?? 0) + lane));
  }
  return found.delivered === settled.delivered + settled.deadLettered && found.deliveredDigest === hexOf(sum);
}

/** A BigInt per event took twice as long: 0.5 us. */
function addDigest(sum: Float64Array, digest: string, times = 1): void {
  if (digest.length !== 2 * LANES) throw new RangeError(`a digest of ${digest.length} bytes`);
  for (let lane = 0; lane < LANES; lane++) {
    const bits = digest.charCodeAt(2 * lane) * 256 + digest.charCodeAt(2 * lane + 1);
    sum[lane] = (sum[lane] ?? 0) + times * bits;
  }
}

function sumOf(hex: string): Float64Array {
  const lane = (_: unknown, at: number): number =>
    Number.parseInt(hex.slice(at * HEX_PER_LANE, (at + 1) * HEX_PER_LANE), 16);
  return Float64Array.from({ length: LANES }, lane);
}

/** Modulo 2^256: what the first lane carries over is dropped. */
function hexOf(sum: Float64Array): string {
  let text = '';
  let carry = 0;
  for (let lane = LANES - 1; lane >= 0; lane--) {
    const value = (sum[lane] ?? 0) + carry;
    carry = Math.floor(value / LANE_SIZE);
    text = (value % LANE_SIZE).toString(16).padStart(HEX_PER_LANE, '0') + text;
  }
  return text;
}
