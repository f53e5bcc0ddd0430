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
// A job of a newer version's format, or with a fact of it in its history, is not seen either (rolling upgrades), so it cannot make
// a claimer spin. Each job is its own transaction: several webhooks' locks in one could deadlock.

import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { FACT_TYPES, JOB_FORMAT } from '../domain/fact.ts';
import { asJobId } from '../domain/ids.ts';
import type { Claim, ClaimRequest } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import { advance, isLeased, lockedOf, lockJob } from './advance.ts';
import type { LockedJob, NewLease } from './advance.ts';
import { readGaps, readMinutes } from './cut-rows.ts';
import type { Database } from './database.ts';
import { readLettersAgain } from './dead-letters.ts';
import type { Foreseen } from './history.ts';
import { columnsOf, viewOf } from './job-row.ts';
import type { ReplayJobRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { toDatetime } from './values.ts';

/** How far from the head of the queue a job may be preferred. */
const WINDOW = 256;
/** Candidates looked at: more than claimers of one moment. */
const RIVALS = 16;

type Candidate = (tx: Tx, after: bigint) => Promise<LockedJob | null>;

/** What became of one try: nobody there, ended in the same transaction, or claimed. */
type Taken = { readonly kind: 'none' | 'ended' } | { readonly kind: 'claimed'; readonly claim: Claim };

/**
 * Counted, not NOT EXISTS: MariaDB answers that from a copy of the whole history (40,003 rows read for a claim behind
 * 20,000 ended jobs, at each claim). A count is asked for each candidate alone: 4 rows.
 */
const knownOnly = sql`j.format <= ${JOB_FORMAT} AND (
  SELECT COUNT(*) FROM job_transitions t
  WHERE t.job_id = j.id AND t.type NOT IN (${sql.join([...FACT_TYPES])})) = 0`;

/** `wanted` is never set on an OPEN job (a request is honoured at once); if it were, the machine would refuse. */
const openInTurn: Candidate = async (tx, after) => {
  const { rows } = await sql<ReplayJobRow & { now: string }>`
    SELECT j.*, UTC_TIMESTAMP(6) AS now FROM replay_jobs j FORCE INDEX (replay_jobs_claim)
    WHERE j.state IN (${sql.join(statesTagged('claimable'))}) AND j.turn = 1 AND j.id > ${after} AND ${knownOnly}
    ORDER BY j.id LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows[0] ? lockedOf(rows[0]) : null;
};

/**
 * First among the WINDOW oldest, found by the index alone and without a lock (0.3 ms with its round trip); then
 * the oldest. A job without a hash is found by its age only. `after` is of a damaged row: those behind it by age.
 */
const gathered =
  ({ partitions, now }: NonNullable<ClaimRequest['gather']>): Candidate =>
  async (tx, after) => {
    if (after > 0n) return openInTurn(tx, after);
    const { rows } = await sql<{ id: string }>`
      SELECT w.id FROM (
        SELECT j.id, j.key_hash FROM replay_jobs j FORCE INDEX (replay_jobs_claim)
        WHERE j.state IN (${sql.join(statesTagged('claimable'))}) AND j.turn = 1 ORDER BY j.id LIMIT ${WINDOW}) w
      WHERE MOD(w.key_hash, ${partitions}) IN (${sql.join([...now])})
      ORDER BY w.id LIMIT ${RIVALS}`.execute(tx);
    const found = rows.length > 0 ? await openAmong(tx, rows) : null;
    return found ?? openInTurn(tx, after);
  };

async function openAmong(tx: Tx, ids: readonly { readonly id: string }[]): Promise<LockedJob | null> {
  const { rows } = await sql<ReplayJobRow & { now: string }>`
    SELECT j.*, UTC_TIMESTAMP(6) AS now FROM replay_jobs j FORCE INDEX (PRIMARY)
    WHERE j.id IN (${sql.join(ids.map(({ id }) => BigInt(id)))})
      AND j.state IN (${sql.join(statesTagged('claimable'))}) AND j.turn = 1 AND ${knownOnly}
    ORDER BY j.id LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows[0] ? lockedOf(rows[0]) : null;
}

/** `lease_until` is NULL unless leased, so its index holds the leased jobs only. */
const leaseEnded: Candidate = async (tx) => {
  const { rows } = await sql<ReplayJobRow & { now: string }>`
    SELECT j.*, UTC_TIMESTAMP(6) AS now FROM replay_jobs j FORCE INDEX (replay_jobs_lease_end)
    WHERE j.lease_until < UTC_TIMESTAMP(6) AND ${knownOnly}
    ORDER BY j.lease_until LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows[0] ? lockedOf(rows[0]) : null;
};

export async function claimOne(db: Database, request: ClaimRequest): Promise<Claim | null> {
  const taken = await take(db, request, 'CLAIMED', request.gather ? gathered(request.gather) : openInTurn);
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
    for (let after = 0n; ;) {
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
        after = BigInt(row.id);
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
