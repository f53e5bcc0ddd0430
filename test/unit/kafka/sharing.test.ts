// Who reads together: each line of the rule, and its bounds.

import { describe, expect, it } from 'vitest';
import {
  GRACE_MEMBERS,
  GRACE_MS,
  PATIENCE_MS,
  REACH_BYTES,
  limitOf,
  turnOf,
} from '../../../src/kafka/reading/sharing.ts';
import type { Standing } from '../../../src/kafka/reading/sharing.ts';

const NOW = 1_000;
const group = (more: Partial<Standing> = {}): Standing => ({
  position: 100,
  isFull: false,
  hungrySinceMs: NOW,
  wantsMore: true,
  size: 2,
  isSlow: false,
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
    const large = { isFull: true, size: 3 * GRACE_MEMBERS };
    expect(turn({ ...large, hungrySinceMs: NOW - GRACE_MS })).toEqual({
      do: 'wait',
      ms: 2 * GRACE_MS,
      forOthers: false,
    });
    expect(turn({ ...large, hungrySinceMs: NOW - 3 * GRACE_MS })).toEqual({ do: 'split' });
  });
});

describe('groups of one partition', () => {
  it('become one where they meet', () => {
    const here = group();
    expect(turn({}, [here])).toEqual({ do: 'merge', into: here });
    const full = group({ isFull: true });
    expect(turn({}, [full])).toEqual({ do: 'merge', into: full });
  });

  it('wait for one close behind: gladly while nobody is hungry, else as long as patience lasts', () => {
    const behind = group({ position: 90, isFull: true });
    expect(turn({ hungrySinceMs: null }, [behind])).toEqual(FOREVER);
    expect(turn({ patienceMs: 30 }, [behind])).toEqual({ do: 'wait', ms: 30, forOthers: true });
    expect(turn({ patienceMs: 0 }, [behind])).toEqual({ do: 'read' });
  });

  it('do not wait for one that is far behind', () => {
    expect(turn({}, [group({ position: 90 })], REACH_BYTES / 10 + 1)).toEqual({ do: 'read' });
  });

  it('read on towards one close ahead although nobody wants more', () => {
    const ahead = group({ position: 110 });
    expect(turn({ wantsMore: false }, [ahead])).toEqual({ do: 'read' });
    expect(turn({ wantsMore: false }, [ahead], REACH_BYTES)).toEqual(FOREVER);
  });

  it('read no further than the next one ahead stands', () => {
    const others = [90, 100, 130, 120].map((position) => group({ position }));
    expect(limitOf(group(), others)).toBe(120);
    expect(limitOf(group({ position: 130 }), others)).toBe(Infinity);
  });
});

describe('a slow group', () => {
  const slow = (more: Partial<Standing> = {}) => group({ isSlow: true, ...more });

  it('is neither met, nor waited for, nor an end', () => {
    expect(turn({}, [slow()])).toEqual({ do: 'read' });
    expect(turn({ hungrySinceMs: null }, [slow({ position: 90 })])).toEqual({ do: 'read' });
    expect(turn({ wantsMore: false }, [slow({ position: 110 })])).toEqual(FOREVER);
    expect(limitOf(group(), [slow({ position: 110 })])).toBe(Infinity);
  });

  it('becomes one with any that it reaches, once both have room', () => {
    const here = group();
    expect(turn({ isSlow: true }, [here])).toEqual({ do: 'merge', into: here });
    expect(turn({ isSlow: true, isFull: true, hungrySinceMs: null }, [here])).toEqual(FOREVER);
    expect(turn({ isSlow: true }, [group({ isFull: true })])).toEqual({ do: 'read' });
    expect(limitOf(slow(), [group({ position: 110 })])).toBe(110);
  });
});
