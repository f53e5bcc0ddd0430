// Merges the sources of a site oldest first, one event at a time, out of their batches. The order is a hint
// (producers' clocks differ), so a wrong one loses nothing; but no source is passed over while it may still
// hold something older: its frontier says so. What a batch says beside its events is told as it is passed.

import type { SourceName } from '../domain/ids.ts';
import type { EventBatch, LogEvent } from '../domain/log.ts';
import type { Pipe } from './pipe.ts';

/** What the merge passes on the way: the end of a batch moves the cut, also when nothing of it was wanted. */
export interface Passed {
  batch(batch: EventBatch, scannedAlready: number): void;
}

interface Lane {
  readonly source: SourceName;
  readonly batches: Pipe<EventBatch>;
  batch: EventBatch | null;
  /** Index of the next event in the batch. */
  index: number;
  /** Records of the batch that were accounted for with its events. */
  scanned: number;
  ended: boolean;
  frontierMs: number;
  pending: Promise<void> | null;
}

export class Merge {
  readonly #lanes: Lane[];
  readonly #passed: Passed;
  /** Records walked over between the event given last and the one before it in its batch. */
  scannedForLast = 0;

  constructor(
    sources: readonly { readonly source: SourceName; readonly batches: Pipe<EventBatch> }[],
    passed: Passed,
  ) {
    this.#passed = passed;
    this.#lanes = sources.map(({ source, batches }) => ({
      source,
      batches,
      batch: null,
      index: 0,
      scanned: 0,
      ended: false,
      frontierMs: -Infinity,
      pending: null,
    }));
  }

  /** Nothing more is taken; the events at hand that nobody got. */
  leave(): readonly LogEvent[] {
    const left = this.#lanes.flatMap(({ batch, index }) => batch?.events.slice(index) ?? []);
    for (const lane of this.#lanes) {
      lane.batch = null;
      lane.ended = true;
    }
    return left;
  }

  /** The next event of one source below `offset`, or null when the source stands at or beyond it. */
  async nextBelow(source: SourceName, offset: number): Promise<LogEvent | null> {
    const lane = this.#lanes.find((candidate) => candidate.source === source);
    if (!lane) throw new Error(`${source} is not merged`);
    for (;;) {
      const head = await this.#head(lane);
      if (head) return head.offset < offset ? this.#take(lane, head) : null;
      if (lane.ended || (lane.batch?.next ?? 0) >= offset) return null;
      await this.#advance(lane);
    }
  }

  /** The oldest event of all sources, if that is known without waiting. */
  takeReady(): LogEvent | null {
    const best = this.#oldest();
    return best && best !== 'ended' ? this.#take(best.lane, best.head) : null;
  }

  /** The oldest event of all sources; null when all have ended. */
  async next(): Promise<LogEvent | null> {
    for (;;) {
      const best = this.#oldest();
      if (best === 'ended') return null;
      if (best) return this.#take(best.lane, best.head);
      await this.#progress();
    }
  }

  /** The oldest head, null while a lane must first be read on, 'ended' when nothing follows. */
  #oldest(): { lane: Lane; head: LogEvent } | 'ended' | null {
    let best: { lane: Lane; head: LogEvent } | null = null;
    let open = false;
    for (const lane of this.#lanes) {
      const head = lane.batch?.events[lane.index];
      if (head && (!best || head.timestampMs < best.head.timestampMs)) best = { lane, head };
      if (!lane.ended || lane.batch) open = true;
    }
    if (!best) return open ? null : 'ended';
    const { timestampMs } = best.head;
    const isBehind = (lane: Lane): boolean =>
      !lane.batch?.events[lane.index] && !lane.ended && lane.frontierMs < timestampMs;
    return this.#lanes.some(isBehind) ? null : best;
  }

  /** Reads on in every lane that has no head; resolves when one of them has moved. */
  async #progress(): Promise<void> {
    const moving: Promise<void>[] = [];
    for (const lane of this.#lanes) {
      if (lane.batch?.events[lane.index] || (lane.ended && !lane.batch)) continue;
      lane.pending ??= this.#advance(lane).finally(() => {
        lane.pending = null;
      });
      moving.push(lane.pending);
    }
    await Promise.race(moving);
  }

  async #head(lane: Lane): Promise<LogEvent | null> {
    if (!lane.batch && !lane.ended) await this.#advance(lane);
    return lane.batch?.events[lane.index] ?? null;
  }

  /** Passes the finished batch and takes the next one. */
  async #advance(lane: Lane): Promise<void> {
    if (lane.batch) {
      this.#passed.batch(lane.batch, lane.scanned);
      lane.batch = null;
    }
    const batch = await lane.batches.take();
    if (!batch) {
      lane.ended = true;
      return;
    }
    lane.batch = batch;
    lane.index = 0;
    lane.scanned = 0;
    lane.frontierMs = batch.done ? Infinity : batch.frontierMs;
  }

  #take(lane: Lane, head: LogEvent): LogEvent {
    lane.index++;
    this.scannedForLast = head.scannedBefore - lane.scanned;
    lane.scanned = head.scannedBefore;
    return head;
  }
}
