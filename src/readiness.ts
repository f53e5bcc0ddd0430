// Brings the instance to the point where it may claim jobs, however long the servers take: the schema is up to
// date, and the delivery log was seen with the partitions it must have. Until then the API answers and says
// what is missing. Afterwards it keeps looking at the log, so that /readyz tells today's state.
// A wrong number of partitions is final: events of a key would be looked for where they are not.

import { RepriseError } from './domain/errors.ts';
import { pause } from './domain/pause.ts';

const DATABASE_RETRY_MS = 1_000;
const LOG_RETRY_MS = 2_000;
const LOG_WATCH_MS = 10_000;

export interface CheckedSite {
  readonly site: string;
  readonly reachable: boolean;
  readonly problem: string | null;
  readonly code: string | null;
}

export interface ReadinessOptions {
  readonly migrate: () => Promise<void>;
  /** Tells changes by itself; never rejects. */
  readonly checkLog: () => Promise<readonly CheckedSite[]>;
  readonly signal: AbortSignal;
}

/**
 * Resolves true when jobs may be claimed, false when `signal` aborted first.
 * Rejects with RepriseError `partition_mismatch`, and with whatever else a migration cannot survive.
 */
export async function becomeReady({ migrate, checkLog, signal }: ReadinessOptions): Promise<boolean> {
  await untilMigrated(migrate, signal);
  while (!signal.aborted) {
    const sites = await checked(checkLog);
    if (sites.some(({ problem }) => problem === null)) return true;
    await pause(LOG_RETRY_MS, signal);
  }
  return false;
}

/** Looks at the log until `signal` aborts. Rejects with RepriseError `partition_mismatch`. */
export async function keepWatching({ checkLog, signal }: Omit<ReadinessOptions, 'migrate'>): Promise<void> {
  let isTroubled = false;
  while (!signal.aborted) {
    await pause(isTroubled ? LOG_RETRY_MS : LOG_WATCH_MS, signal);
    if (signal.aborted) return;
    isTroubled = (await checked(checkLog)).some(({ problem }) => problem !== null);
  }
}

async function checked(checkLog: ReadinessOptions['checkLog']): Promise<readonly CheckedSite[]> {
  const sites = await checkLog();
  const mismatch = sites.find(({ code }) => code === 'partition_mismatch');
  if (mismatch) throw new RepriseError('partition_mismatch', mismatch.problem ?? mismatch.site);
  return sites;
}

async function untilMigrated(migrate: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await migrate();
      return;
    } catch (error) {
      if (!(error instanceof RepriseError) || error.code !== 'database_unavailable') throw error;
      await pause(DATABASE_RETRY_MS, signal);
    }
  }
}
