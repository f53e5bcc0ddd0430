// Claim and reclaim: how an instance becomes the owner of a job.
//
// Lease and fence. A claim draws a lease (a time by the database's clock), a fence (a number that rises with
// every CLAIMED and RECLAIMED) and a random token. The lease says how long the owner may be silent; the fence
// makes its later writes harmless if it was silent longer:
//
//   owner A  ──CLAIMED fence 7──> works ... (stopped, swapped out, cut off) ........ wakes: cut with fence 7
//   database                          lease_until passes                                 -> 0 rows: fenced
//   owner B                               └──RECLAIMED fence 8──> works from A's last cut
//
// Without the fence every reclaim of a sleeping worker ended in double completion (78 of 78 and 96 of 96 runs);
// with it in none. A release raises nothing, but the next CLAIMED does, so a released owner's late write misses
// too. The token covers a database failover that forgot the last fence: the number may then come again, the
// token cannot. Whether a lease ended is the database's judgement alone; no instance's clock takes part.
//
// SKIP LOCKED: claimers do not queue behind one another; a candidate that another holds is simply not seen.
// Which of the OPEN jobs it is, is fair-claim.ts's to say. Each job is its own transaction: several webhooks' locks in one could deadlock.

import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { asJobId } from '../domain/ids.ts';
import type { Claim, ClaimRequest } from '../domain/store.ts';
import { advance, isLeased, lockedOf, lockJob } from './advance.ts';
import type { LockedJob, NewLease } from './advance.ts';
import { readGaps, readMinutes } from './cut-rows.ts';
import type { Database } from './database.ts';
import { readLettersAgain } from './dead-letters.ts';
import { fairest, openInTurn } from './fair-claim.ts';
import type { Foreseen } from './history.ts';
import { columnsOf, viewOf } from './job-row.ts';
import { KNOWN_ONLY } from './known-only.ts';
import type { ReplayJobRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { toDatetime } from './values.ts';

/** `after`: null at first; then the row behind which it goes on, 0n = from the oldest on. */
type Candidate = (tx: Tx, after: bigint | null) => Promise<LockedJob | null>;

/** What became of one try: nobody there, ended in the same transaction, or claimed. */
type Taken = { readonly kind: 'none' | 'ended' } | { readonly kind: 'claimed'; readonly claim: Claim };

/** First by what is fair; behind a damaged row by age alone, from the oldest on. */
const open =
  (gather: ClaimRequest['gather']): Candidate =>
  (tx, after) =>
    after === null ? fairest(tx, gather) : openInTurn(tx, after);

/** `lease_until` is NULL unless leased, so its index holds the leased jobs only. */
const leaseEnded: Candidate = async (tx) => {
  const { rows } = await sql<ReplayJobRow & { now: string }>`
    SELECT j.*, UTC_TIMESTAMP(6) AS now FROM replay_jobs j FORCE INDEX (replay_jobs_lease_end)
    WHERE j.lease_until < UTC_TIMESTAMP(6) AND ${KNOWN_ONLY}
    ORDER BY j.lease_until LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows[0] ? lockedOf(rows[0]) : null;
};

export async function claimOne(db: Database, request: ClaimRequest): Promise<Claim | null> {
  const taken = await take(db, request, 'CLAIMED', open(request.gather));
  return taken.kind === 'claimed' ? taken.claim : null;
}

/** Stops at the first try that finds nobody; the cap is the caller's (a clock jump ends all leases at once). */
export async function reclaimSome(
  db: Database,
  request: ClaimRequest,
  limit: number,
): Promise<readonly Claim[]> {
  const claims: Claim[] = [];
  for (let tries = 0; tries < limit; tries++) {
    const taken = await take(db, request, 'RECLAIMED', leaseEnded);
    if (taken.kind === 'none') break;
    if (taken.kind === 'claimed') claims.push(taken.claim);
  }
  return claims;
}

function take(
  db: Database,
  request: ClaimRequest,
  type: 'CLAIMED' | 'RECLAIMED',
  candidate: Candidate,
): Promise<Taken> {
  // Drawn anew for each run, and told from the run before when its COMMIT got no answer.
  let last: { readonly jobId: string; readonly token: string } | null = null;
  return inTransaction<Taken>(db, async (tx, doubt) => {
    if (doubt && last) {
      const mine = await lockJob(tx, last.jobId);
      if (mine?.row.lease_token === last.token) return keep(await claimed(tx, mine.row));
    }
    for (let after: bigint | null = null; ;) {
      const locked = await candidate(tx, after);
      if (!locked) return undo({ kind: 'none' });
      const { row } = locked;
      const token = newToken();
      const { instance: owner, maxRepeat, leaseMs } = request;
      const fence = row.fence + 1;
      const lease = { token, untilMs: locked.nowMs + leaseMs };
      const proposal = { type, fence, owner, maxRepeat, progress: Number(row.progress) };
      const foreseen = await advance(tx, locked, { proposal, tag: newToken(), lease });
      if (!foreseen) {
        // A damaged row must not stop everybody else's jobs.
        db.emit('job.refused', { jobId: row.id, fact: type, why: `illegal in ${row.state}` });
        if (type === 'RECLAIMED') return undo({ kind: 'none' });
        after = after === null ? 0n : BigInt(row.id);
        continue;
      }
      last = { jobId: row.id, token };
      if (!isLeased(foreseen.last.state)) return keep({ kind: 'ended' });
      return keep(await claimed(tx, leasedRow(row, foreseen, lease)));
    }
  });
}

/** The row as the claim left it, without reading it again. */
function leasedRow(row: ReplayJobRow, { last }: Foreseen, { token, untilMs }: NewLease): ReplayJobRow {
  const lease = { lease_token: token, lease_until: toDatetime(untilMs) };
  return { ...row, ...columnsOf(last.state, last.context), ...lease, heartbeat: null, heartbeat_at: null };
}

async function claimed(tx: Tx, row: ReplayJobRow): Promise<Taken> {
  // What only an owner writes is not looked for before there was one.
  const isFirst = row.fence === 1 && row.parent_job_id === null;
  const gaps = isFirst ? (): [] => [] : await readGaps(tx, [row.id]);
  const lease = { jobId: asJobId(row.id), fence: row.fence, token: row.lease_token ?? '' };
  const letters = row.parent_job_id === null ? [] : await readLettersAgain(tx, row.id);
  const minutes = isFirst ? [] : await readMinutes(tx, row.id);
  const claim = { lease, job: viewOf(row, gaps(row.id)), letters, minutes };
  return { kind: 'claimed', claim };
}

/** 128 random bits, 22 characters. */
export const newToken = (): string => randomBytes(16).toString('base64url');
