// Starts parts in order and stops them in reverse, within a deadline. A second signal aborts; the exit code
// tells the truth: 0 only when every part stopped cleanly.

import closeWithGrace from 'close-with-grace';
import { messageOf } from './domain/errors.ts';

interface Part {
  readonly name: string;
  /** Resolves to false when it did not stop cleanly. */
  readonly stop: () => Promise<boolean | undefined>;
}

export class Lifecycle {
  readonly #parts: Part[] = [];
  #stopping: Promise<boolean> | null = null;

  /** Parts are stopped in the reverse order of this call. */
  onStop(name: string, stop: Part['stop']): void {
    this.#parts.push({ name, stop });
  }

  /** Stops everything once; true when all parts stopped cleanly. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    let clean = true;
    for (const part of this.#parts.toReversed()) {
      try {
        if ((await part.stop()) === false) clean = false;
      } catch (error) {
        process.stderr.write(`stopping ${part.name} failed: ${messageOf(error)}\n`);
        clean = false;
      }
    }
    return clean;
  }

  /**
   * Stops on SIGTERM, SIGINT and the like, and on errors that nobody caught. The process then ends: with 0 when
   * everything stopped cleanly, else with 1; a second signal ends it at once with 1.
   */
  handleSignals(deadlineMs: number, onStopping: (reason: string) => void): void {
    closeWithGrace({ delay: deadlineMs }, async ({ err, signal }) => {
      onStopping(err ? messageOf(err) : (signal ?? 'asked'));
      // A rejection is how the library is told to end with 1.
      if (!(await this.stop())) throw err ?? new Error('not everything stopped in time');
    });
  }
}
