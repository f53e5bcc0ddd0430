// The minute ledger: per event minute the count of what was delivered and of what was dead-lettered, and the
// sum modulo 2^256 of SHA-256(event id). Order-free and mergeable: two parties that settled the same set of
// events hold the same numbers. It is the completion manifest, and after the loss of an owner and its site it
// tells which minutes are already done.

import { hash } from 'node:crypto';

const MODULUS = 1n << 256n;
export const MINUTE_MS = 60_000;

/** One minute's totals. Digests are 64 hex characters. */
export interface MinuteEntry {
  /** ms since 1970 divided by 60,000, rounded down. */
  readonly minute: number;
  readonly delivered: number;
  readonly deliveredDigest: string;
  readonly deadLettered: number;
  readonly deadLetteredDigest: string;
}

interface Totals {
  delivered: number;
  deliveredSum: bigint;
  deadLettered: number;
  deadLetteredSum: bigint;
}

const hex = (sum: bigint): string => sum.toString(16).padStart(64, '0');

export class MinuteLedger {
  readonly #minutes = new Map<number, Totals>();
  #touched = new Set<number>();

  /** Starts from what is durable. */
  constructor(entries: readonly MinuteEntry[] = []) {
    for (const entry of entries) {
      this.#minutes.set(entry.minute, {
        delivered: entry.delivered,
        deliveredSum: BigInt(`0x${entry.deliveredDigest}`),
        deadLettered: entry.deadLettered,
        deadLetteredSum: BigInt(`0x${entry.deadLetteredDigest}`),
      });
    }
  }

  delivered(timestampMs: number, eventId: string): void {
    const totals = this.#totals(timestampMs);
    totals.delivered++;
    totals.deliveredSum = (totals.deliveredSum + digest(eventId)) % MODULUS;
  }

  deadLettered(timestampMs: number, eventId: string): void {
    const totals = this.#totals(timestampMs);
    totals.deadLettered++;
    totals.deadLetteredSum = (totals.deadLetteredSum + digest(eventId)) % MODULUS;
  }

  /** Totals of the minutes touched since the last call; give them back with `untake` if the write failed. */
  takeTouched(): readonly MinuteEntry[] {
    const entries = [...this.#touched].map((minute) => this.#entry(minute));
    this.#touched = new Set();
    return entries;
  }

  untake(entries: readonly MinuteEntry[]): void {
    for (const { minute } of entries) this.#touched.add(minute);
  }

  /** All minutes, oldest first. */
  entries(): readonly MinuteEntry[] {
    return [...this.#minutes.keys()].sort((a, b) => a - b).map((minute) => this.#entry(minute));
  }

  #totals(timestampMs: number): Totals {
    const minute = Math.floor(timestampMs / MINUTE_MS);
    this.#touched.add(minute);
    let totals = this.#minutes.get(minute);
    if (!totals) {
      totals = { delivered: 0, deliveredSum: 0n, deadLettered: 0, deadLetteredSum: 0n };
      this.#minutes.set(minute, totals);
    }
    return totals;
  }

  #entry(minute: number): MinuteEntry {
    const totals = this.#minutes.get(minute);
    if (!totals) throw new Error(`minute ${minute} is not in the ledger`);
    return {
      minute,
      delivered: totals.delivered,
      deliveredDigest: hex(totals.deliveredSum),
      deadLettered: totals.deadLettered,
      deadLetteredDigest: hex(totals.deadLetteredSum),
    };
  }
}

function digest(eventId: string): bigint {
  return BigInt(`0x${hash('sha256', eventId, 'hex')}`);
}
