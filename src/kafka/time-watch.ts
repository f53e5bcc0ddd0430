// Watches the record times that a scan passes: how far the log steps back in time, and whether the scan may
// stop before its pinned end. One record of a fast clock must not end a range (measured: it cut 30 of 91
// events), so only the *minimum* time over a trailing window counts: at least 64 batches and 10,000 records in
// a row, all past `to` + slack. "The minimum over the window is past" is the same as counting since the last
// batch whose minimum is not.

const WINDOW_BATCHES = 64;
const WINDOW_RECORDS = 10_000;

export class TimeWatch {
  readonly #limitMs: number;
  readonly #slackMs: number;
  #batches = 0;
  #records = 0;
  /** The largest record time so far; written by the record walk. */
  newestMs = -Infinity;
  /** The largest step back so far; written by the record walk. */
  disorderMs = 0;

  /** `slackMs` is the disorder that is expected of the log. */
  constructor(toMs: number, slackMs: number) {
    this.#limitMs = toMs + slackMs;
    this.#slackMs = slackMs;
  }

  /** A batch whose records were not walked because all are at most `maxMs` old. */
  skipped(maxMs: number, records: number): void {
    if (this.newestMs - maxMs > this.disorderMs) this.disorderMs = this.newestMs - maxMs;
    if (maxMs > this.newestMs) this.newestMs = maxMs;
    this.batch(maxMs, records);
  }

  /** A batch of `records` records, the oldest of `minMs`. */
  batch(minMs: number, records: number): void {
    if (minMs <= this.#limitMs) {
      this.#batches = 0;
      this.#records = 0;
      return;
    }
    this.#batches++;
    this.#records += records;
  }

  /** Whether nothing of the range can follow. A log in worse disorder than half the slack is read to its end. */
  isPast(): boolean {
    const { disorderMs } = this;
    return (
      disorderMs <= this.#slackMs / 2 && this.#batches >= WINDOW_BATCHES && this.#records >= WINDOW_RECORDS
    );
  }
}
