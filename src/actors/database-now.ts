// The database's clock decides what is late; an owner that has to wait for it waits as long as the database does.

import { pause } from '../domain/pause.ts';
import type { Run } from './run.ts';

const RETRY_MS = 500;

/** ms since 1970; 0 when `signal` aborted first. */
export async function databaseNow(run: Run, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return await run.edges.store.nowMs();
    } catch {
      if (signal.aborted) return 0;
      await pause(RETRY_MS, signal);
    }
  }
}
