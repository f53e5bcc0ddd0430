// Jobs of a replay group that one instance claims one after the other begin to read at once, so that those of one
// partition share one scan of it: a claim takes longer than reading a small log. Owned here: who is still on the way (it
// is claimed here, and neither reads nor has ended), and that nobody waits for those longer than MOST_MS, and nobody
// beyond QUIET_MS after the last one came.

import type { Clock } from '../domain/clock.ts';

export const QUIET_MS = 500;
export const MOST_MS = 10_000;

interface Group {
  readonly onTheWay: Set<string>;
  /** Of those that wait: null without any. */
  beganMs: number | null;
  release: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}

export class Together {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The job was claimed here: the others wait for it, until it joins or has ended. */
  comes(group: string, job: string): void {
    const found = this.#of(group);
    found.onTheWay.add(job);
    this.#wait(group, found);
  }

  /** It has ended, whether it ever joined or not. */
  gone(group: string, job: string): void {
    const found = this.#groups.get(group);
    if (found?.onTheWay.delete(job) === true) this.#wait(group, found);
  }

  /** Resolves when those of the group that come now are there, or `signal` aborts. */
  join(group: string, job: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const found = this.#of(group);
    found.onTheWay.delete(job);
    found.beganMs ??= this.#clock.monoMs();
    return new Promise((resolve) => {
      found.release.push(resolve);
      signal.addEventListener('abort', () => {
        resolve();
      });
      this.#wait(group, found);
    });
  }

  #of(group: string): Group {
    let found = this.#groups.get(group);
    if (!found) {
      found = { onTheWay: new Set(), beganMs: null, release: [], timer: undefined };
      this.#groups.set(group, found);
    }
    return found;
  }

  /** Looks anew when those that wait may go. */
  #wait(group: string, found: Group): void {
    clearTimeout(found.timer);
    if (found.beganMs === null) {
      if (found.onTheWay.size === 0) this.#groups.delete(group);
      return;
    }
    const leftMs = Math.max(0, found.beganMs + MOST_MS - this.#clock.monoMs());
    const ms = found.onTheWay.size > 0 ? leftMs : Math.min(QUIET_MS, leftMs);
    found.timer = setTimeout(() => {
      const { release } = found;
      found.release = [];
      found.beganMs = null;
      if (found.onTheWay.size === 0) this.#groups.delete(group);
      for (const go of release) go();
    }, ms);
  }
}
