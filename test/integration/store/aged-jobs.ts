// Ended jobs as pruning finds them: with rows in every table, and as old as a test says. Rows are aged by writing
// their time: nobody waits.

import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { Claim } from '../../../src/domain/store.ts';
import { newReplay, newWebhook } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { fullCut, proposalOf } from '../../support/example.ts';

export const DAY_MS = 86_400_000;
export const RETENTION_MS = 90 * DAY_MS;
export const request = { instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 10 };

/** Rows of an ended job: its own, facts, gaps, dead letters, minutes. */
export const WHOLE = [1, 4, 1, 1, 1];
export const GONE = [0, 0, 0, 0, 0];

export class AgedJobs {
  readonly #stores: Stores;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  async claimed(): Promise<Claim> {
    const { jobs, replays } = this.#stores;
    await newReplay(replays, await newWebhook(replays));
    const claim = await jobs.claim(request);
    if (!claim) throw new Error('nothing to claim');
    return claim;
  }

  async ended(): Promise<JobId> {
    const { jobs } = this.#stores;
    const { lease } = await this.claimed();
    await jobs.commit(lease.jobId, proposalOf('OFFSETS_RESOLVED', 1, 1), lease);
    await jobs.commit(lease.jobId, proposalOf('DRAINED', 1, 1), lease, fullCut(9));
    return lease.jobId;
  }

  /** Ended longer ago than the retention. */
  async old(): Promise<JobId> {
    const id = await this.ended();
    await this.age(id, RETENTION_MS + 1_000);
    return id;
  }

  /** As if its last fact had come so long ago: in the row and in the history. */
  async age(id: JobId, ms: number): Promise<void> {
    await this.set(id, `updated_at = updated_at - INTERVAL ${ms * 1_000} MICROSECOND`);
    await this.#stores.database.query(
      'UPDATE job_transitions SET at = at - INTERVAL ? MICROSECOND WHERE job_id = ?',
      [ms * 1_000, BigInt(id)],
    );
  }

  async set(id: JobId, change: string): Promise<void> {
    await this.#stores.database.query(`UPDATE replay_jobs SET ${change} WHERE id = ?`, [BigInt(id)]);
  }

  /** As many rows per table, in the order of WHOLE. */
  async rows(id: JobId): Promise<readonly number[]> {
    const tables = ['job_transitions', 'job_gaps', 'dead_letters', 'minute_ledger'];
    const counts = ['SELECT COUNT(*) AS n FROM replay_jobs WHERE id = ?'].concat(
      tables.map((table) => `SELECT COUNT(*) AS n FROM ${table} WHERE job_id = ?`),
    );
    const count = (text: string) => this.#stores.database.query<{ n: string }>(text, [BigInt(id)]);
    return (await Promise.all(counts.map(count))).map(([row]) => Number(row?.n));
  }

  async left(): Promise<readonly string[]> {
    const rows = await this.#stores.database.query<{ id: string }>('SELECT id FROM replay_jobs ORDER BY id');
    return rows.map(({ id }) => id);
  }
}
