// The machine used purely: decide whether a fact is legal, fold a history, and say what follows by itself.
// The store calls these inside its transaction; no actor is running here.

import { initialTransition, transition } from 'xstate';
import type { Fact, Proposal } from '../../domain/fact.ts';
import { JOB_STATES } from '../../domain/job.ts';
import type { JobState } from '../../domain/job.ts';
import type { JobContext } from './context.ts';
import { replayJobMachine } from './machine.ts';
import type { StateTag } from './machine.ts';

export interface Decided {
  readonly state: JobState;
  readonly context: JobContext;
}

type Snapshot = ReturnType<typeof replayJobMachine.resolveState>;

/** Reclaims in a row without progress after which a job is given up: FAILED(crash_loop). */
export const CRASH_LOOP_RECLAIMS = 10;

/** The job after `fact`, or null when the machine refuses it. `before` null = the job does not exist yet. */
export function decide(before: Decided | null, fact: Fact): Decided | null {
  const from = before ? hydrate(before) : initialTransition(replayJobMachine)[0];
  const [next] = transition(replayJobMachine, from, fact);
  return next === from || next.context === from.context ? null : decidedOf(next);
}

/** Folds a whole history. Throws where a step is illegal or a seq is missing: the history is damaged. */
export function fold(facts: readonly Fact[]): Decided {
  let job: Decided | null = null;
  for (const [index, fact] of facts.entries()) {
    if (fact.seq !== index + 1) throw new Error(`history has seq ${fact.seq} where ${index + 1} belongs`);
    const next = decide(job, fact);
    if (!next)
      throw new Error(`history is illegal: ${fact.type} (seq ${fact.seq}) in ${job?.state ?? 'NEW'}`);
    job = next;
  }
  if (!job) throw new Error('history is empty');
  return job;
}

/**
 * The fact that follows by itself and belongs into the same transaction: a request is honoured at once when
 * nobody holds a lease, a reclaim ends in the pause or cancel that was pending, a crash loop is given up.
 */
export function followUp({ state, context }: Decided): Proposal | null {
  const { fence, wanted, lastFact } = context;
  const unowned = state === 'OPEN' || state === 'PAUSED' || lastFact?.type === 'RECLAIMED';
  if (unowned && wanted === 'cancel') return { type: 'CANCELLED', fence };
  if (unowned && wanted === 'pause' && state !== 'PAUSED')
    return { type: 'PAUSED', fence, reason: 'requested' };
  if (state === 'PAUSED' && lastFact?.type === 'RESUME_REQUESTED') return { type: 'RESUMED' };
  if (lastFact?.type === 'RECLAIMED' && context.idleReclaims >= CRASH_LOOP_RECLAIMS) {
    const why = `${context.idleReclaims} owners in a row were lost without any progress`;
    return { type: 'FAILED', fence, reason: 'crash_loop', why };
  }
  return null;
}

/** The states that carry a tag, for SQL lists and enums: the machine is their only source. */
export function statesTagged(tag: StateTag): readonly JobState[] {
  return JOB_STATES.filter((state) => replayJobMachine.root.states[state]?.tags.includes(tag));
}

/** A live or pure snapshot of the machine at a stored state. Substates take their initial values. */
export function hydrate(job: Decided): Snapshot {
  return replayJobMachine.resolveState({ value: job.state, context: job.context });
}

function decidedOf(snapshot: Snapshot): Decided {
  return { state: stateOf(snapshot.value), context: snapshot.context };
}

/** The stored name of a state value: its top-level key. */
export function stateOf(value: Snapshot['value']): JobState {
  const name = typeof value === 'string' ? value : Object.keys(value)[0];
  const state = JOB_STATES.find((known) => known === name);
  if (!state) throw new Error(`${String(name)} is not a stored state`);
  return state;
}
