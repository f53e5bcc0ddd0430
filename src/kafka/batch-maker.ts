// Makes what a stream yields: gives hits their identity and collects what belongs into the next batch. The hash
// is only taken of what matched.

import type { Gap, GapReason } from '../domain/job.ts';
import { identify } from '../domain/identity.ts';
import type { EventBatch, LogEvent, StreamRequest } from '../domain/log.ts';
import type { Emit } from '../domain/signals.ts';
import type { Scan } from './record-scanner.ts';
import type { RecordHit } from './record-walk.ts';

export class BatchMaker {
  readonly #request: StreamRequest;
  readonly #emit: Emit;
  #gaps: Gap[] = [];
  #lastMs: number;

  constructor(request: StreamRequest, emit: Emit) {
    this.#request = request;
    this.#emit = emit;
    this.#lastMs = request.fromMs;
  }

  /** Goes out with the next batch. */
  gap(from: number, to: number, reason: GapReason): void {
    const { source } = this.#request.pin;
    this.#gaps.push({ source, from, to, reason });
    this.#emit('read.gap', { source, from, to, reason });
  }

  scanned(
    scan: Scan,
    bytes: number,
    at: { next: number; disorderMs: number; caughtUp: boolean; done: boolean },
  ) {
    if (scan.lastTimestampMs !== null) this.#lastMs = scan.lastTimestampMs;
    const { source } = this.#request.pin;
    const { scanned, hits } = scan;
    this.#emit('read.batch', {
      source,
      records: scanned,
      matched: hits.length,
      bytes,
      disorderMs: at.disorderMs,
    });
    return { ...this.empty(at), events: hits.map((hit) => this.#event(hit)), scanned, bytes };
  }

  empty(at: { next: number; disorderMs: number; caughtUp: boolean; done: boolean }): EventBatch {
    const gaps = this.#gaps;
    this.#gaps = [];
    return {
      source: this.#request.pin.source,
      events: [],
      next: at.next,
      scanned: 0,
      bytes: 0,
      frontierMs: at.caughtUp || at.done ? Infinity : this.#lastMs,
      gaps,
      disorderMs: at.disorderMs,
      done: at.done,
    };
  }

  #event(hit: RecordHit): LogEvent {
    const { source, partition } = this.#request.pin;
    const { offset, timestampMs, value, header, scannedBefore } = hit;
    const { eventId, identity } =
      value === null
        ? { eventId: '', identity: '' }
        : identify(header, value, timestampMs, this.#request.identity);
    return { source, partition, offset, timestampMs, value, eventId, identity, scannedBefore };
  }
}
