// The way into one site, for all connections of one thread. A broker that refused us is not asked again at once by
// everybody who wants in: for a while all get the same refusal without a connection, then one tries, and the others
// wait for what it finds. So wrong credentials cost a broker about one connection per second, later one in 5 s, and
// cannot lock an account. What is no refusal (a broker that is away) passes through: that is the reader's law.

import { AccessRefused, accessError } from './access.ts';
import type { Step } from './access.ts';
import type { SiteConfig } from './site.ts';

const FIRST_HOLD_MS = 1_000;
/** As long as a reader waits at most for a broker that is away. */
const LONGEST_HOLD_MS = 5_000;
/** Instances that were refused together shall not come back together. */
const SPREAD = 0.25;

export class Door {
  readonly #site: SiteConfig;
  readonly #now: () => number;
  #refusal: AccessRefused | null = null;
  #holdMs = 0;
  #untilMs = 0;

  constructor(site: SiteConfig, now: () => number = () => performance.now()) {
    this.#site = site;
    this.#now = now;
  }

  /** Does `work`, or rejects with AccessRefused without doing it. */
  async enter<T>(work: (at: (step: Step) => void) => Promise<T>): Promise<T> {
    if (this.#refusal !== null) {
      if (this.#now() < this.#untilMs) throw this.#refusal;
      this.#hold();
    }
    let step: Step = 'connect';
    try {
      const result = await work((now) => (step = now));
      this.#open();
      return result;
    } catch (error) {
      const told = accessError(this.#site, error, step);
      if (!(told instanceof AccessRefused)) this.#open();
      else {
        this.#refusal = told;
        if (this.#now() >= this.#untilMs) this.#hold();
      }
      throw told;
    }
  }

  #hold(): void {
    this.#holdMs = Math.min(LONGEST_HOLD_MS, Math.max(FIRST_HOLD_MS, this.#holdMs * 2));
    this.#untilMs = this.#now() + this.#holdMs * (1 + SPREAD * Math.random());
  }

  #open(): void {
    this.#refusal = null;
    this.#holdMs = 0;
    this.#untilMs = 0;
  }
}
