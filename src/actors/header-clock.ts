// The two times in a request's headers as text, made anew only when their second changes: toISOString alone took a
// quarter of a microsecond per event. Refuses to read a clock.

export class HeaderClock {
  #second = NaN;
  #secondText = '';
  #isoSecond = NaN;
  /** Up to the point before the milliseconds. */
  #isoStart = '';

  /** Whole seconds since 1970. */
  seconds(wallMs: number): string {
    const second = Math.floor(wallMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = String(second);
    }
    return this.#secondText;
  }

  /** As Date.toISOString; `ms` is whole. */
  iso(ms: number): string {
    const second = Math.floor(ms / 1_000);
    if (second !== this.#isoSecond) {
      this.#isoStart = new Date(second * 1_000).toISOString().slice(0, -4);
      this.#isoSecond = second;
    }
    return `${this.#isoStart}${String(1_000 + ms - second * 1_000).slice(1)}Z`;
  }
}
