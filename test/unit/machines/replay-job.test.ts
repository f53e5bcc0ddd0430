// given(facts).when(fact).then(state or refusal): the law of the job, without any database or clock.

import { describe, expect, it } from 'vitest';
import type { Fact, Proposal } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import {
  CRASH_LOOP_RECLAIMS,
  decide,
  fold,
  followUp,
  statesTagged,
} from '../../../src/machines/replay-job/decide.ts';
import { JOB_SPEC as spec, pinTo, SOURCE as source, stamped } from '../../support/example.ts';

const requested: Proposal = { type: 'REQUESTED', spec, by: 'test' };
const claimed = (fence: number): Proposal => ({
  type: 'CLAIMED',
  fence,
  owner: asInstanceId('a'),
  maxRepeat: 1000,
  progress: 0,
});
const reclaimed = (fence: number, progress = 0): Proposal => ({
  type: 'RECLAIMED',
  fence,
  owner: asInstanceId('b'),
  maxRepeat: 1000,
  progress,
});
const resolved = (fence: number, end: number | null): Proposal => ({
  type: 'OFFSETS_RESOLVED',
  fence,
  site: 'dc1',
  partition: 0,
  pins: [pinTo(end)],
  waitingUntilMs: end === null ? 99 : null,
});
const drained = (fence: number): Proposal => ({ type: 'DRAINED', fence, outcome: 'complete' });
const pauseRequested: Proposal = { type: 'PAUSE_REQUESTED', by: 'op', why: 'test' };
const resumeRequested: Proposal = { type: 'RESUME_REQUESTED', by: 'op', why: 'test' };
const cancelRequested: Proposal = { type: 'CANCEL_REQUESTED', by: 'op', why: 'test' };
const paused = (fence: number, reason: 'requested' | 'endpoint_gone' = 'requested'): Proposal => ({
  type: 'PAUSED',
  fence,
  reason,
});

function history(proposals: readonly Proposal[]): Fact[] {
  return proposals.map((proposal, i) => stamped(proposal, i + 1));
}

function when(given: readonly Proposal[], fact: Proposal): string {
  const facts = history([...given, fact]);
  const last = facts.pop();
  if (!last) throw new Error('no fact');
  return decide(given.length === 0 ? null : fold(facts), last)?.state ?? 'refused';
}

describe('the replay job machine', () => {
  const ongoing = [requested, claimed(1), resolved(1, 9)];
  const following = [requested, claimed(1), resolved(1, null)];
  const cases: [string, readonly Proposal[], Proposal, string][] = [
    ['a request opens a job', [], requested, 'OPEN'],
    ['a claim starts it', [requested], claimed(1), 'STARTED'],
    ['a claim with a fence that does not rise by one is refused', [requested], claimed(2), 'refused'],
    ['a claimed job is not claimed again', [requested, claimed(1)], claimed(2), 'refused'],
    ['pinned offsets set it going', [requested, claimed(1)], resolved(1, 9), 'ONGOING'],
    ['a stale fence pins nothing', [requested, claimed(1), reclaimed(2)], resolved(1, 9), 'refused'],
    ['offsets are resolved once', [...ongoing, reclaimed(2)], resolved(2, 9), 'refused'],
    ['a later owner continues', [...ongoing, reclaimed(2)], { type: 'CONTINUED', fence: 2 }, 'ONGOING'],
    ['without pins nobody continues', [requested, claimed(1)], { type: 'CONTINUED', fence: 1 }, 'refused'],
    ['a drained job is complete', ongoing, drained(1), 'COMPLETED'],
    [
      'a zombie drains nothing',
      [...ongoing, reclaimed(2), { type: 'CONTINUED', fence: 2 }],
      drained(1),
      'refused',
    ],
    ['a job whose ends are open does not drain', following, drained(1), 'refused'],
    ['ends are pinned late', following, { type: 'ENDS_PINNED', fence: 1, ends: { [source]: 12 } }, 'ONGOING'],
    ['ends are pinned once', ongoing, { type: 'ENDS_PINNED', fence: 1, ends: { [source]: 12 } }, 'refused'],
    ['a released job is open', ongoing, { type: 'RELEASED', fence: 1, why: 'stop' }, 'OPEN'],
    ['a pause request does not move a leased job', ongoing, pauseRequested, 'ONGOING'],
    ['the owner pauses when asked', [...ongoing, pauseRequested], paused(1), 'PAUSED'],
    ['nobody pauses unasked', ongoing, paused(1), 'refused'],
    [
      'a resume request clears a pending pause',
      [...ongoing, pauseRequested, resumeRequested],
      paused(1),
      'refused',
    ],
    ['the owner pauses for a gone endpoint unasked', ongoing, paused(1, 'endpoint_gone'), 'PAUSED'],
    [
      'a pending cancel goes before a pause',
      [...ongoing, cancelRequested],
      paused(1, 'endpoint_gone'),
      'refused',
    ],
    [
      'the owner cancels when asked',
      [...ongoing, cancelRequested],
      { type: 'CANCELLED', fence: 1 },
      'CANCELLED',
    ],
    ['nobody cancels unasked', ongoing, { type: 'CANCELLED', fence: 1 }, 'refused'],
    ['nothing follows COMPLETED', [...ongoing, drained(1)], cancelRequested, 'refused'],
    [
      'a paused job becomes open',
      [...ongoing, pauseRequested, paused(1), resumeRequested],
      { type: 'RESUMED' },
      'OPEN',
    ],
    [
      'limits change in any live state',
      ongoing,
      { type: 'LIMITS_CHANGED', limits: spec.limits, by: 'op', why: '' },
      'ONGOING',
    ],
  ];
  it.each(cases)('%s', (_name, given, fact, then) => {
    expect(when(given, fact)).toBe(then);
  });

  it('adds the lost owner limit to the duplicate bound at each reclaim', () => {
    const { context } = fold(history([...ongoing, reclaimed(2), reclaimed(3)]));
    expect(context).toMatchObject({ reclaims: 2, duplicateBound: 2000, fence: 3 });
  });

  it('honours requests at once where nobody holds a lease', () => {
    expect(followUp(fold(history([requested, pauseRequested])))).toMatchObject({ type: 'PAUSED' });
    expect(followUp(fold(history([requested, cancelRequested])))).toMatchObject({ type: 'CANCELLED' });
    expect(followUp(fold(history([...ongoing, cancelRequested])))).toBeNull();
    expect(followUp(fold(history([...ongoing, cancelRequested, reclaimed(2)])))).toMatchObject({
      type: 'CANCELLED',
    });
    const asleep = [...ongoing, pauseRequested, paused(1)];
    expect(followUp(fold(history(asleep)))).toBeNull();
    expect(followUp(fold(history([...asleep, resumeRequested])))).toMatchObject({ type: 'RESUMED' });
  });

  it('gives up a job whose owners are lost without progress, and only then', () => {
    const lost = (progress: (i: number) => number): Fact[] =>
      history([
        ...ongoing,
        ...Array.from({ length: CRASH_LOOP_RECLAIMS }, (_, i) => reclaimed(i + 2, progress(i))),
      ]);
    expect(followUp(fold(lost(() => 0)))).toMatchObject({ type: 'FAILED', reason: 'crash_loop' });
    expect(followUp(fold(lost((i) => i)))).toBeNull();
  });

  it('refuses a damaged history', () => {
    const facts = history(ongoing);
    expect(() => fold(facts.slice(1))).toThrow('seq 2 where 1 belongs');
    expect(() => fold(history([requested, drained(1)]))).toThrow('illegal');
  });

  it('names its states by tag', () => {
    expect(statesTagged('leased')).toEqual(['STARTED', 'ONGOING']);
    expect(statesTagged('terminal')).toEqual(['COMPLETED', 'CANCELLED', 'FAILED']);
    expect(statesTagged('claimable')).toEqual(['OPEN']);
  });
});
