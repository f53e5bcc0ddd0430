// What the owner tells of itself to whoever looks: phase, rate, time left, queues. It goes with each heartbeat and
// each cut, so that the API shows progress and not the last heartbeat's memory of it. Names and numbers only.

import { RateMeter } from '../domain/rate-meter.ts';
import type { HeartbeatDetail } from '../domain/store.ts';
import type { Run } from './run.ts';

export class Detail {
  readonly #run: Run;
  readonly #delivered = new RateMeter(10_000);
  readonly #offsets = new RateMeter(10_000);

  constructor(run: Run) {
    this.#run = run;
  }

  now(): HeartbeatDetail {
    const run = this.#run;
    const { cut, counts } = run.progress;
    const now = run.edges.clock.monoMs();
    this.#delivered.note(now, counts.delivered);
    const [passed, left] = this.#offsetsPassed();
    this.#offsets.note(now, passed);
    const { inFlight, window, queued, retrying } = run.gauges;
    const speed = this.#offsets.perSecond;
    return {
      phase: run.phase,
      rate: Math.round(this.#delivered.perSecond * 10) / 10,
      etaMs: left !== null && speed > 0 ? Math.round((left / speed) * 1_000) : null,
      inFlight,
      window,
      queued,
      retrying,
      owed: cut.owedCount,
      exposed: cut.exposed,
      waiting: this.#waiting()?.slice(0, 200) ?? null,
      lastRefusal: run.lastRefusal,
      rebuilt: run.rebuilt,
    };
  }

  /** A source that waits for delivery, or at its log's end while that is not pinned, tells less than why. */
  #waiting(): string | undefined {
    const waits = [...this.#run.waits];
    const told = waits.find(([who]) => who === 'proof' || who.startsWith('pinEnds')) ?? waits[0];
    return told?.[1];
  }

  /** Offsets behind the cut, and those before it; null while the ends are not pinned. */
  #offsetsPassed(): readonly [number, number | null] {
    const { cut } = this.#run.progress;
    let passed = 0;
    let left: number | null = 0;
    for (const pin of this.#run.context().pins ?? []) {
      if (!cut.has(pin.source)) continue;
      const next = cut.nextOf(pin.source);
      passed += next - pin.start;
      // What is left of a site that was left is read at another one.
      if (pin.isLeft) continue;
      left = pin.end === null || left === null ? null : left + Math.max(0, pin.end - next);
    }
    return [passed, left];
  }
}
