// Jobs of a group begin to read together: soon after the last one came, and none waits too long.

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MOST_MS, QUIET_MS, Together } from '../../../src/actors/together.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;
const clock = { monoMs: () => Date.now(), wallMs: () => Date.now() };

function watch(joined: Promise<void>): { readonly isOver: boolean } {
  const watched = { isOver: false };
  void joined.then(() => (watched.isOver = true));
  return watched;
}

it('lets all go when none has come for a while', async () => {
  const together = new Together(clock);
  const first = watch(together.join('g', never));
  const other = watch(together.join('h', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  const second = watch(together.join('g', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect([first.isOver, second.isOver, other.isOver]).toEqual([false, false, true]);
  await vi.advanceTimersByTimeAsync(1);
  expect([first.isOver, second.isOver]).toEqual([true, true]);
});

it('lets nobody wait longer than the most, however many come, and begins anew after it', async () => {
  const together = new Together(clock);
  const first = watch(together.join('g', never));
  for (let ms = 0; ms < MOST_MS - 1; ms += QUIET_MS / 2) {
    void together.join('g', never);
    await vi.advanceTimersByTimeAsync(Math.min(QUIET_MS / 2, MOST_MS - 1 - ms));
    expect(first.isOver).toBe(false);
  }
  await vi.advanceTimersByTimeAsync(1);
  expect(first.isOver).toBe(true);
  const late = watch(together.join('g', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect(late.isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(late.isOver).toBe(true);
});

it('lets go at once who is told to stop', async () => {
  const stop = new AbortController();
  const joined = watch(new Together(clock).join('g', stop.signal));
  stop.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(joined.isOver).toBe(true);
  const late = watch(new Together(clock).join('g', stop.signal));
  await vi.advanceTimersByTimeAsync(0);
  expect(late.isOver).toBe(true);
});
