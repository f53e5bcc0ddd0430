// Jobs of a replay group that one instance claims one after the other begin to read at once, so that those of one
// partition share one scan of it: a claim takes longer than reading a small log. Owned here: that nobody waits for it
// longer than MOST_MS, and nobody beyond QUIET_MS after the last one came.

import type { Clock } from '../domain/clock.ts';

export const QUIET_MS = 500;
export const MOST_MS = 5_000;

interface Waiting {
  readonly beganMs: number;
  readonly release: (() => void)[];
  timer: NodeJS.Timeout;
}

export class Together {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when those of the group that come now are there, or `signal` aborts. */
  join(group: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const nowMs = this.#clock.monoMs();
    const before = this.#groups.get(group);
    if (before) clearTimeout(before.timer);
    const beganMs = before?.beganMs ?? nowMs;
    const release = before?.release ?? [];
    const ms = Math.max(0, Math.min(QUIET_MS, beganMs + MOST_MS - nowMs));
    const timer = setTimeout(() => {
      this.#groups.delete(group);
      for (const go of release) go();
    }, ms);
    this.#groups.set(group, { beganMs, release, timer });
    return new Promise((resolve) => {
      release.push(resolve);
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
  }
}
