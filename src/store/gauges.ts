// Numbers about all jobs, for metrics: read at each scrape, so by indexes alone.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { JOB_STATES } from '../domain/job.ts';
import type { JobState } from '../domain/job.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { withRetries } from './retries.ts';
import type { Tables } from './schema.ts';
import { fromDatetime } from './values.ts';

export interface StoreGauges {
  readonly states: Readonly<Record<JobState, number>>;
  /** Age of the OPEN job that waits longest, behind others of its webhook or not; 0 without one. */
  readonly oldestOpenSeconds: number;
  /** The same for jobs that any instance could claim now: above the poll interval = too few workers. */
  readonly oldestClaimableSeconds: number;
  /** Leased jobs whose lease has ended by the database's clock and that nobody reclaimed yet. */
  readonly expiredLeases: number;
}

export function readGauges(db: Database): Promise<StoreGauges> {
  return withRetries(db.emit, async () => {
    const counts = await countStates(db.sessions);
    const ages = await oldestOpen(db.sessions);
    const expiredLeases = await countExpired(db.sessions);
    return { states: counts, ...ages, expiredLeases };
  });
}

/** Index-only over (state, turn, id). */
async function countStates(db: Kysely<Tables>): Promise<Readonly<Record<JobState, number>>> {
  const { rows } = await sql<{ state: JobState; jobs: string }>`
    SELECT state, COUNT(*) AS jobs FROM replay_jobs FORCE INDEX (replay_jobs_claim) GROUP BY state`.execute(
    db,
  );
  const counts = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
  for (const { state, jobs } of rows) counts[state] = Number(jobs);
  return counts;
}

/** Since the last fact, not since birth: a job resumed after three days has not waited for three days. */
async function oldestOpen(db: Kysely<Tables>) {
  const { rows } = await sql<{ turn: number; oldest: string; now: string }>`
    SELECT turn, MIN(updated_at) AS oldest, UTC_TIMESTAMP(6) AS now FROM replay_jobs
    WHERE state IN (${sql.join(statesTagged('claimable'))}) GROUP BY turn`.execute(db);
  const ages = rows.map(({ turn, oldest, now }) => ({
    turn,
    seconds: Math.max(0, (fromDatetime(now) - fromDatetime(oldest)) / 1000),
  }));
  return {
    oldestOpenSeconds: Math.max(0, ...ages.map(({ seconds }) => seconds)),
    oldestClaimableSeconds: ages.find(({ turn }) => turn === 1)?.seconds ?? 0,
  };
}

async function countExpired(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ jobs: string }>`
    SELECT COUNT(*) AS jobs FROM replay_jobs WHERE lease_until < UTC_TIMESTAMP(6)`.execute(db);
  return Number(rows[0]?.jobs ?? 0);
}
