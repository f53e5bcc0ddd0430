// A rate over the last seconds, from a total that only rises, from samples of the last seconds; no timer of its own.

const MAX_SAMPLES = 50;

export class RateMeter {
  readonly #windowMs: number;
  readonly #samples: { readonly atMs: number; readonly total: number }[] = [];

  constructor(windowMs = 5_000) {
    this.#windowMs = windowMs;
  }

  /** Notes the total at a moment (monotonic ms). */
  note(atMs: number, total: number): void {
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
