// A turn of the loop starts so many requests, and who asked first is served first.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TurnShare } from '../../../src/actors/turn-share.ts';

/** Starts as many as it may, `count` in all; notes each. */
function pump(turns: TurnShare, name: string, count: number, notes: string[]): void {
  let left = count;
  const go = (): void => {
    for (; left > 0; left--) {
      if (!turns.take()) {
        turns.later(go);
        return;
      }
      notes.push(name);
    }
  };
  go();
}

test('a turn starts no more than its share, whoever asks, and all get their turn', async () => {
  const turns = new TurnShare(4);
  const notes: string[] = [];
  pump(turns, 'a', 6, notes);
  pump(turns, 'b', 3, notes);
  pump(turns, 'c', 1, notes);
  expect(notes.join('')).toBe('aaaa');
  await setImmediate();
  expect(notes.join('')).toBe('aaaa' + 'aabb');
  await setImmediate();
  expect(notes.join('')).toBe('aaaa' + 'aabb' + 'bc');
});

test('a new turn begins with a whole share', async () => {
  const turns = new TurnShare(2);
  expect([turns.take(), turns.take(), turns.take()]).toEqual([true, true, false]);
  await setImmediate();
  expect([turns.take(), turns.take(), turns.take()]).toEqual([true, true, false]);
});
