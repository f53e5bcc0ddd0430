// How a child actor of a job is written: an async body with a signal that aborts when the machine leaves the
// state that invoked it. XState's fromCallback would lose the rejection of an async function, so it is caught
// here: an abort ends quietly, anything else is a crash of the run.

import { fromCallback } from 'xstate';
import { PipeAborted } from './pipe.ts';
import type { Run } from './run.ts';

export type ChildBody = (run: Run, signal: AbortSignal) => Promise<void>;

/** XState logic that runs `body` from entry to exit of the invoking state. */
export function child(run: Run, body: ChildBody) {
  return fromCallback(() => {
    const abort = new AbortController();
    body(run, abort.signal).catch((error: unknown) => {
      if (abort.signal.aborted || error instanceof PipeAborted) return;
      run.crash(error);
    });
    return () => {
      abort.abort();
    };
  });
}
