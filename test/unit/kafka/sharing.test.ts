// Who reads together: each line of the rule, and its bounds.

import { describe, expect, it } from 'vitest';
import { GRACE_MS, PATIENCE_MS, REACH_BYTES, limitOf, turnOf } from '../../../src/kafka/reading/sharing.ts';
import type { Standing } from '../../../src/kafka/reading/sharing.ts';

const NOW = 1_000;
const group = (more: Partial<Standing> = {}): Standing => ({
  position: 100,
  isFull: false,
  hungrySinceMs: NOW,
  wantsMore: true,
  gathersUntilMs: 0,
  patienceMs: PATIENCE_MS,
  ...more,
});
const turn = (own: Partial<Standing>, others: readonly Standing[] = [], bytesPerOffset = 1) =>
  turnOf(group(own), others, bytesPerOffset, NOW);
const FOREVER = { do: 'wait', ms: Infinity, forOthers: false };

describe('a group alone', () => {
  it('reads while somebody wants more, and rests when nobody does', () => {
    expect(turn({})).toEqual({ do: 'read' });
    expect(turn({ wantsMore: false })).toEqual(FOREVER);
  });

  it('gathers at first', () => {
    expect(turn({ gathersUntilMs: NOW + 7 })).toEqual({ do: 'wait', ms: 7, forOthers: false });
    expect(turn({ gathersUntilMs: NOW })).toEqual({ do: 'read' });
  });

  it('with a full member waits for it, for the sake of a hungry one only so long', () => {
    expect(turn({ isFull: true, hungrySinceMs: null })).toEqual(FOREVER);
    expect(turn({ isFull: true, hungrySinceMs: NOW - 10 })).toEqual({
      do: 'wait',
      ms: GRACE_MS - 10,
      forOthers: false,
    });
    expect(turn({ isFull: true, hungrySinceMs: NOW - GRACE_MS })).toEqual({ do: 'split' });
  });
});

describe('groups of one partition', () => {
  it('become one where they meet, unless one of them is held back', () => {
    const here = group();
    expect(turn({}, [here])).toEqual({ do: 'merge', into: here });
    expect(turn({}, [group({ isFull: true })])).toEqual({ do: 'read' });
    expect(turn({ isFull: true, hungrySinceMs: null }, [here])).toEqual(FOREVER);
  });

  it('wait for one close behind, as long as patience lasts', () => {
    const behind = group({ position: 90 });
    expect(turn({ patienceMs: 30 }, [behind])).toEqual({ do: 'wait', ms: 30, forOthers: true });
    expect(turn({ patienceMs: 0 }, [behind])).toEqual({ do: 'read' });
  });

  it('do not wait for one that is far behind, or held back itself', () => {
    expect(turn({}, [group({ position: 90 })], REACH_BYTES / 10 + 1)).toEqual({ do: 'read' });
    expect(turn({}, [group({ position: 90, isFull: true })])).toEqual({ do: 'read' });
  });

  it('read on towards one close ahead although nobody wants more', () => {
    const ahead = group({ position: 110 });
    expect(turn({ wantsMore: false }, [ahead])).toEqual({ do: 'read' });
    expect(turn({ wantsMore: false }, [ahead], REACH_BYTES)).toEqual(FOREVER);
  });

  it('read no further than the next one ahead stands', () => {
    const others = [90, 100, 130, 120].map((position) => group({ position }));
    expect(limitOf(100, others)).toBe(120);
    expect(limitOf(130, others)).toBe(Infinity);
  });
});
