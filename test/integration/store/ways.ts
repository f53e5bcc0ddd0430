// The machine's graph as a test walks it: the moves of a job, what the machine makes of each of them, and the
// shortest way to every situation that differs in what is legal there.

import type { Snapshot } from 'xstate';
import { getShortestPaths } from 'xstate/graph';
import type { Step } from 'xstate/graph';
import { FACT_TYPES } from '../../../src/domain/fact.ts';
import type { FactType } from '../../../src/domain/fact.ts';
import { decide, followUp, statesTagged } from '../../../src/machines/replay-job/decide.ts';
import type { Decided } from '../../../src/machines/replay-job/decide.ts';
import { proposalOf, stamped } from '../../support/example.ts';

/** A fact type, with the two forms that matter of those that have more than one (proposalOf). */
export interface Move {
  readonly type: FactType;
  readonly n: 0 | 1;
}

const FORMS: ReadonlySet<FactType> = new Set(['OFFSETS_RESOLVED', 'PAUSED']);
export const MOVES: readonly Move[] = FACT_TYPES.flatMap((type): Move[] => [
  { type, n: 1 },
  ...(FORMS.has(type) ? [{ type, n: 0 as const }] : []),
]);
export const REQUESTS: ReadonlySet<FactType> = new Set([
  ...(['PAUSE_REQUESTED', 'RESUME_REQUESTED', 'CANCEL_REQUESTED', 'LIMITS_CHANGED'] as const),
]);
export const LEASED = statesTagged('leased');

/** The job as a snapshot of plain logic: `createTestModel` and its kind refuse a machine that invokes. */
type At = Snapshot<unknown> & { readonly job: Decided | null };
const at = (job: Decided | null): At => ({ status: 'active', output: undefined, error: undefined, job });

/** As the store does it: the fact and whatever follows by itself; null = refused. */
export function after(job: Decided | null, move: Move): Decided | null {
  // Nobody but the store speaks where no lease is held: these follow by themselves or not at all.
  const speaks =
    job === null || LEASED.includes(job.state) || REQUESTS.has(move.type) || move.type === 'CLAIMED';
  if (!speaks || (job !== null && move.type === 'REQUESTED')) return null;
  let next = step(job, proposalOf(move.type, job?.context.fence ?? 0, move.n));
  while (next) {
    const more = followUp(next);
    if (!more) break;
    next = step(next, more);
  }
  return next;
}

const step = (job: Decided | null, proposal: Parameters<typeof stamped>[0]): Decided | null =>
  decide(job, stamped(proposal, (job?.context.lastFact?.seq ?? 0) + 1));

/** What decides about legality: finitely many situations, whatever fences and counts are. */
function situation({ job }: At): string {
  if (!job) return 'NEW';
  const { pins, wanted } = job.context;
  const ends = pins === null ? 'unpinned' : pins.every(({ end }) => end !== null) ? 'pinned' : 'following';
  return [job.state, ends, wanted ?? 'nothing wanted'].join(', ');
}

const logic = {
  transition: (snapshot: At, move: Move): At => at(after(snapshot.job, move) ?? snapshot.job),
  getInitialSnapshot: (): At => at(null),
  getPersistedSnapshot: (snapshot: At): At => snapshot,
};

const paths = getShortestPaths(logic as never, {
  events: MOVES as never,
  serializeState: situation,
  serializeEvent: ({ type, n }: Move) => `${type} ${n}`,
}) as unknown as readonly { readonly state: At; readonly steps: readonly Step<never, never>[] }[];

/** The way to each situation, without the beginning that graph paths start with. */
export const ways = paths
  .map(({ state, steps }) => ({
    job: state.job,
    name: situation(state),
    moves: steps.map(({ event }) => event as Move).filter(({ type }) => FACT_TYPES.includes(type)),
  }))
  .filter(({ job }) => job !== null);
