// One line that shows how far the replay is: rewritten in place on a terminal, else a plain line per change.

export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  #open = false;
  #last = '';
  #lastAtMs = -Infinity;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  show(text: string): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[2K${text}`);
      this.#open = true;
      return;
    }
    const now = performance.now();
    if (text === this.#last || now - this.#lastAtMs < 1_000) return;
    this.#last = text;
    this.#lastAtMs = now;
    this.#out.write(`${text}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    if (this.#open) this.#out.write('\r\x1b[2K');
    this.#open = false;
    this.#out.write(`${text}\n`);
  }
}
