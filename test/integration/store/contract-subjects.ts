// The two stores that keep one contract, each with one job: the real one, and the one in memory that the actors'
// tests use.

import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { ClaimRequest, JobStore } from '../../../src/domain/store.ts';
import { endLease, newReplay, newWebhook, removeJobs } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { JOB_SPEC } from '../../support/example.ts';
import { MemoryJobStore } from '../../support/memory-job-store.ts';

/** A store with one OPEN job in it, and power over its clock. */
export interface Subject {
  readonly jobs: JobStore;
  readonly clients: Pick<ReplayStore, 'replay' | 'steer'>;
  readonly id: JobId;
  /** The lease of the job, if it has one, ends now. */
  endLease(): Promise<void>;
  /** So much time passes since the job's last fact. */
  age(ms: number): Promise<void>;
}

/** The only job of its database. */
export async function real({ database, jobs, replays }: Stores): Promise<Subject> {
  await removeJobs(database);
  const { id } = await newReplay(replays, await newWebhook(replays));
  return {
    jobs,
    clients: replays,
    id,
    endLease: async () => {
      const [row] = await database.query<{ lease_until: string | null }>(
        'SELECT lease_until FROM replay_jobs',
      );
      if (row?.lease_until) await endLease(database, id);
    },
    age: async (ms) => {
      const back = `UPDATE replay_jobs SET updated_at = updated_at - INTERVAL ? MICROSECOND`;
      await database.query(back, [ms * 1_000]);
    },
  };
}

export function inMemory(): Promise<Subject> {
  const store = new MemoryJobStore(JOB_SPEC);
  return Promise.resolve({
    jobs: store.port(),
    clients: store.clientPort(),
    id: store.id,
    endLease: () => {
      store.endLease();
      return Promise.resolve();
    },
    age: (ms) => {
      store.clockMs += ms;
      return Promise.resolve();
    },
  });
}

export const by = (name = 'a'): ClaimRequest => ({
  instance: asInstanceId(name),
  leaseMs: 30_000,
  maxRepeat: 10,
});
