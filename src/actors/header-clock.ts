// The two times in a request's headers as text. Only a day's date is asked of Date: toISOString took a quarter of a
// microsecond per event, and 3 where hardly two events of a log are of the same second. Refuses to read a clock.

const DAY_MS = 86_400_000;
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

export class HeaderClock {
  #second = NaN;
  #secondText = '';
  #day = NaN;
  /** Up to the T before the time of day. */
  #dayText = '';
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
      this.#isoStart = `${this.#date(ms)}${timeOfDay(second)}.`;
      this.#isoSecond = second;
    }
    return `${this.#isoStart}${String(1_000 + ms - second * 1_000).slice(1)}Z`;
  }

  #date(ms: number): string {
    const day = Math.floor(ms / DAY_MS);
    if (day !== this.#day) {
      this.#dayText = new Date(day * DAY_MS).toISOString().slice(0, -'00:00:00.000Z'.length);
      this.#day = day;
    }
    return this.#dayText;
  }
}

/** Of a second since 1970; before it, too. */
function timeOfDay(second: number): string {
  const inDay = second - Math.floor((second * 1_000) / DAY_MS) * (DAY_MS / 1_000);
  const minutes = Math.floor(inDay / 60);
  const hours = Math.floor(minutes / 60);
  return `${TWO_DIGITS[hours] ?? ''}:${TWO_DIGITS[minutes - hours * 60] ?? ''}:${TWO_DIGITS[inDay - minutes * 60] ?? ''}`;
}
