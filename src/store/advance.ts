// A locked job takes a fact. Owned here: from proposal to written fact, for every path that moves a job (claim,
// reclaim, commit, steer). The machine decides whether it is legal; the row lock decides who.
//
//   lockJob ──> row + the database's clock          (SELECT ... FOR UPDATE)
//   foresee ──> facts: the proposed one, then whatever follows by itself (pure; null = the machine refuses)
//   record  ──> UPDATE job WHERE version = before; INSERT facts; hand the turn on
//
// The transitions are the truth and the row their projection, written in the same transaction. The row's
// version is checked although the row is locked, and PK (job_id, seq) checks again: three arbiters that agree,
// or an exception. A fact's time never falls behind the fact before it: UTC_TIMESTAMP is the start of the
// statement, which may then have waited for the lock.

import { sql } from 'kysely';
import type { Cut } from '../domain/cut.ts';
import { formatOfSwitched } from '../domain/fact.ts';
import type { Fact, Proposal } from '../domain/fact.ts';
import type { Counts, JobState } from '../domain/job.ts';
import type { CutWrite } from '../domain/store.ts';
import { decide, followUp, statesTagged } from '../machines/replay-job/decide.ts';
import type { Decided } from '../machines/replay-job/decide.ts';
import { giveLettersBack } from './dead-letters.ts';
import { insertFacts } from './history.ts';
import type { Foreseen } from './history.ts';
import { columnsOf, decidedOf } from './job-row.ts';
import { noteCompletions } from './outbox.ts';
import type { ReplayJobRow } from './schema.ts';
import type { Tx } from './transaction.ts';
import { handOn, isTurnFree, lockWebhook, mayHaveTurn } from './turn.ts';
import { bigint, fromDatetime, toDatetime, utcNow } from './values.ts';

const LEASED: ReadonlySet<JobState> = new Set(statesTagged('leased'));
const TERMINAL: ReadonlySet<JobState> = new Set(statesTagged('terminal'));
export const isLeased = (state: JobState): boolean => LEASED.has(state);

export interface LockedJob {
  readonly row: ReplayJobRow;
  /** Time for the next fact. */
  readonly atMs: number;
  /** The database's clock when the row was asked for. */
  readonly nowMs: number;
}

export const lockedOf = (row: ReplayJobRow & { readonly now: string }): LockedJob => ({
  row,
  nowMs: fromDatetime(row.now),
  atMs: Math.max(fromDatetime(row.now), fromDatetime(row.updated_at)),
});

export async function lockJob(tx: Tx, jobId: string): Promise<LockedJob | null> {
  const row = await tx
    .selectFrom('replay_jobs')
    .selectAll()
    .select(utcNow.as('now'))
    .where('id', '=', bigint(jobId))
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? null : lockedOf(row);
}

export function foresee(
  before: Decided | null,
  first: Proposal,
  atMs: number,
  settled: { readonly cut: Cut | null; readonly counts: Counts },
): Foreseen | null {
  const steps: { fact: Fact; job: Decided }[] = [];
  let job = before;
  let proposal: Proposal | null = first;
  while (proposal) {
    const seq: number = (job?.context.lastFact?.seq ?? 0) + 1;
    const fact: Fact = { ...proposal, seq, atMs, cut: settled.cut, counts: settled.counts };
    const next = decide(job, fact);
    if (!next) {
      if (steps.length === 0) return null;
      throw new Error(`the machine refuses ${fact.type}, which it says follows by itself`);
    }
    steps.push({ fact, job: next });
    job = next;
    proposal = followUp(next);
  }
  if (!job) throw new Error('nothing was proposed');
  return { steps, last: job };
}

/** `untilMs` by the database's clock, counted from when the row was asked for: early by what the claim takes. */
export interface NewLease {
  readonly token: string;
  readonly untilMs: number;
}

export interface Advance {
  readonly proposal: Proposal;
  /** Names the transaction in its facts (transaction.ts). */
  readonly tag: string;
  readonly write?: CutWrite;
  /** The lease that a claim or reclaim begins. */
  readonly lease?: NewLease;
}

/** Writes the facts and the row; null = refused by the machine, nothing written. */
export async function advance(tx: Tx, locked: LockedJob, move: Advance): Promise<Foreseen | null> {
  const { row, atMs } = locked;
  const before = decidedOf(row);
  const foreseen = foresee(before, move.proposal, atMs, move.write ?? before.context);
  if (!foreseen) return null;
  const { state } = foreseen.last;
  const givesUp = row.turn === 1 && !mayHaveTurn(state);
  const enters = row.turn === 0 && mayHaveTurn(state) && !mayHaveTurn(row.state);
  if (givesUp || enters) await lockWebhook(tx, row.webhook_id);
  const turn = enters ? await isTurnFree(tx, row.webhook_id) : row.turn === 1 && !givesUp;
  await updateJob(tx, row, foreseen.last, turn, move);
  await insertFacts(tx, row.id, row, foreseen, move.tag);
  await noteCompletions(tx, row, foreseen);
  if (TERMINAL.has(state) && row.parent_job_id !== null) await giveLettersBack(tx, row.id);
  if (givesUp) await handOn(tx, row.webhook_id);
  return foreseen;
}

async function updateJob(
  tx: Tx,
  row: ReplayJobRow,
  job: Decided,
  turn: boolean,
  { write, lease }: Advance,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('replay_jobs')
    .set({
      ...columnsOf(job.state, job.context),
      ...(job.context.lastFact?.type === 'SITE_SWITCHED' && { format: formatOfSwitched(row.format) }),
      turn: turn ? 1 : 0,
      ...(write ? { progress: String(write.progress) } : {}),
      ...leaseColumns(row.state, job.state, lease),
    })
    .where('id', '=', bigint(row.id))
    .where('version', '=', row.version)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new Error(`job ${row.id} moved under its own lock`);
}

/** A new owner begins without a heartbeat; nobody's heartbeat outlives its lease. */
function leaseColumns(from: JobState, to: JobState, lease: Advance['lease']) {
  if (isLeased(to) && !lease) return {};
  const silent = { heartbeat: null, heartbeat_at: null };
  if (isLeased(to) && lease) {
    return { ...silent, lease_token: lease.token, lease_until: toDatetime(lease.untilMs) };
  }
  return isLeased(from) ? { ...silent, lease_token: null, lease_until: sql<null>`NULL` } : {};
}
