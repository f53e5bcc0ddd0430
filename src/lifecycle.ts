// Starts parts in order and stops them in reverse, each within a deadline of its own, so that one that hangs
// (a request in a database that is away) delays the others by no more than that. What did not stop is named.
//
// The exit code tells about the work, not about the furniture: 0 when what holds work (the pool) stopped cleanly,
// also when connections had to be broken off; 1 when work may have been left for a lease to run out, after an
// error that nobody caught, and at a second signal, which ends the process at once.

import closeWithGrace from 'close-with-grace';
import { messageOf } from './domain/errors.ts';

interface ClosableServer {
  closeAllConnections(): void;
}

interface Part {
  readonly name: string;
  /** Resolves to false when it did not stop cleanly. */
  readonly stop: () => Promise<boolean>;
  readonly deadlineMs: number;
  /** Others would have to wait for what it leaves behind: its end decides the exit code. */
  readonly holdsWork: boolean;
  /** Its connections are broken off when it did not stop by itself within the grace. */
  readonly server: ClosableServer | null;
}

/** Until the connections of an edge are broken off, and until it is left behind. */
const GRACE_MS = 1_000;
const EDGE_MS = 3_000;

export class Lifecycle {
  readonly #parts: Part[] = [];
  readonly #say: (line: string) => void;
  #stopping: Promise<boolean> | null = null;

  constructor(say: (line: string) => void = (line) => process.stderr.write(`${line}\n`)) {
    this.#say = say;
  }

  /** What holds work. Parts are stopped in the reverse order of these calls. */
  onStop(name: string, deadlineMs: number, stop: Part['stop']): void {
    this.#parts.push({ name, stop, deadlineMs, holdsWork: true, server: null });
  }

  /** An edge: what it leaves behind ends with the process, and nobody waits for it. */
  onClose(name: string, close: () => Promise<unknown>, server: ClosableServer | null = null): void {
    const stop = (): Promise<boolean> => close().then(() => true);
    this.#parts.push({ name, stop, deadlineMs: EDGE_MS, holdsWork: false, server });
  }

  /** Stops everything once; true when all parts that hold work stopped cleanly. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    let clean = true;
    for (const part of this.#parts.toReversed()) {
      if (!(await this.#stopped(part)) && part.holdsWork) clean = false;
    }
    return clean;
  }

  async #stopped({ name, stop, deadlineMs, server }: Part): Promise<boolean> {
    const tooLate = Promise.withResolvers<boolean>();
    const deadline = setTimeout(() => {
      this.#say(`${name} did not stop within ${deadlineMs} ms`);
      tooLate.resolve(false);
    }, deadlineMs);
    const grace = setTimeout(() => {
      if (!server) return;
      this.#say(`${name} does not stop by itself: its connections are broken off`);
      server.closeAllConnections();
    }, GRACE_MS);
    try {
      return await Promise.race([stop(), tooLate.promise]);
    } catch (error) {
      this.#say(`stopping ${name} failed: ${messageOf(error)}`);
      return false;
    } finally {
      clearTimeout(deadline);
      clearTimeout(grace);
    }
  }

  /**
   * Stops on SIGTERM, SIGINT and the like, and on errors that nobody caught. The process then ends, at the latest
   * when the deadlines of all parts are over.
   */
  handleSignals(onStopping: (reason: string) => void): void {
    // The library's one deadline for everything is off: which part was late would stay unsaid.
    closeWithGrace({ delay: false }, async ({ err, signal }) => {
      onStopping(err ? messageOf(err) : (signal ?? 'asked'));
      // A rejection is how the library is told to end with 1.
      if (!(await this.stop())) throw err ?? new Error('not all work was let go in time');
    });
  }
}
