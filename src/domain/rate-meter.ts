// A rate over the last seconds, from samples of a total; no timer of its own. A total that falls begins anew: a job
// whose minutes are sent again (a switch of sites by the ledger) takes them out of its counts.

const MAX_SAMPLES = 50;

export class RateMeter {
  readonly #windowMs: number;
  #samples: { readonly atMs: number; readonly total: number }[] = [];

  constructor(windowMs = 5_000) {
    this.#windowMs = windowMs;
  }

  /** Notes the total at a moment (monotonic ms). */
  note(atMs: number, total: number): void {
    if (total < (this.#samples.at(-1)?.total ?? 0)) this.#samples = [];
    const before = this.#samples.at(-2);
    // However often it is called, the window holds a bounded number of samples.
    if (before && atMs - before.atMs < this.#windowMs / MAX_SAMPLES) this.#samples.pop();
    this.#samples.push({ atMs, total });
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? atMs) <= atMs - this.#windowMs)
      this.#samples.shift();
  }

  /** Per second over the window; 0 before the second sample. */
  get perSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return 0;
    return ((last.total - first.total) * 1_000) / (last.atMs - first.atMs);
  }
}
