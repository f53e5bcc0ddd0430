// Committing a fact to a job, by its owner (fenced) or by anybody who may ask (steer). Every refusal is a value.
// Refused here: facts that begin a lease; those come with a token and a lease end, by claim.ts alone.

import { randomBytes } from 'node:crypto';
import type { Proposal } from '../domain/fact.ts';
import type { SteerRequest } from '../domain/replay-store.ts';
import type { CommitResult, CutWrite, LeaseKey } from '../domain/store.ts';
import { advance, isLeased, lockJob } from './advance.ts';
import { writeCutRows } from './cut-rows.ts';
import type { Database } from './database.ts';
import { factsTagged } from './history.ts';
import { decidedOf } from './job-row.ts';
import type { ReplayJobRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';

export interface CommitRequest {
  readonly jobId: string;
  readonly proposal: Proposal | SteerRequest;
  /** The owner's; without it anybody speaks, and the machine decides whether that is legal. */
  readonly lease?: LeaseKey;
  readonly write?: CutWrite;
  /** Whose job it has to be; a foreign one is an absent one. */
  readonly tenant?: string;
  /** Only if it has one of these versions. */
  readonly versions?: readonly number[] | null;
  /** Asked first, before the job's row is locked; false = nothing is done. */
  readonly isStillWanted?: (tx: Tx) => Promise<boolean>;
}

export async function commitFact(db: Database, request: CommitRequest): Promise<CommitResult> {
  const startedMs = performance.now();
  const { jobId, lease, write, tenant, versions = null } = request;
  const tag = randomBytes(16).toString('base64url');
  const result = await inTransaction<CommitResult>(db, async (tx, doubt) => {
    if (request.isStillWanted && !(await request.isStillWanted(tx))) {
      return undo({ ok: false, why: 'fenced', state: null });
    }
    const locked = await lockJob(tx, jobId);
    if (!locked || (tenant !== undefined && locked.row.tenant !== tenant)) {
      return undo({ ok: false, why: 'unknown_job', state: null });
    }
    const { row } = locked;
    if (doubt) {
      const done = await factsTagged(tx, row.id, tag);
      const last = done.at(-1);
      if (last) return undo({ ok: true, facts: done.map(({ fact }) => fact), state: last.state });
    }
    if (versions && !versions.includes(row.version))
      return undo({ ok: false, why: 'stale', state: row.state });
    if (lease && !holds(row, lease)) return undo({ ok: false, why: 'fenced', state: row.state });
    const proposal = proposalOf(request.proposal, row);
    const move = write ? { proposal, tag, write } : { proposal, tag };
    const foreseen = beginsLease(proposal) ? null : await advance(tx, locked, move);
    if (!foreseen) return undo({ ok: false, why: 'illegal', state: row.state });
    if (write) await writeCutRows(tx, row.id, write);
    const facts = foreseen.steps.map(({ fact }) => fact);
    return keep({ ok: true, facts, state: foreseen.last.state });
  });
  db.emit('store.commit', { fact: request.proposal.type, durationMs: performance.now() - startedMs });
  return result;
}

/** Under the row's lock, so that two changes of different limits at once both stay. */
function proposalOf(asked: Proposal | SteerRequest, row: ReplayJobRow): Proposal {
  if (!('change' in asked)) return asked;
  const { change, ...who } = asked;
  return { ...who, limits: { ...decidedOf(row).context.limits, ...change } };
}

function holds(row: ReplayJobRow, lease: LeaseKey): boolean {
  return isLeased(row.state) && row.fence === lease.fence && row.lease_token === lease.token;
}

function beginsLease({ type }: Proposal): boolean {
  return type === 'CLAIMED' || type === 'RECLAIMED';
}
