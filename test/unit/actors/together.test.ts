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
  const first = watch(together.join('g', '1', never));
  const other = watch(together.join('h', '2', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  const second = watch(together.join('g', '3', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect([first.isOver, second.isOver, other.isOver]).toEqual([false, false, true]);
  await vi.advanceTimersByTimeAsync(1);
  expect([first.isOver, second.isOver]).toEqual([true, true]);
});

it('waits for those that are claimed and on their way, as long as it takes to join or end, but not for ever', async () => {
  const together = new Together(clock);
  for (const job of ['1', '2', '3']) together.comes('g', job);
  const first = watch(together.join('g', '1', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS * 3);
  expect(first.isOver).toBe(false);
  together.gone('g', '2');
  await vi.advanceTimersByTimeAsync(QUIET_MS * 3);
  expect(first.isOver).toBe(false);
  const third = watch(together.join('g', '3', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect([first.isOver, third.isOver]).toEqual([false, false]);
  await vi.advanceTimersByTimeAsync(1);
  expect([first.isOver, third.isOver]).toEqual([true, true]);

  together.comes('g', 'stuck');
  const waits = watch(together.join('g', '4', never));
  await vi.advanceTimersByTimeAsync(MOST_MS - 1);
  expect(waits.isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(waits.isOver).toBe(true);
});

it('lets nobody wait longer than the most, however many come, and begins anew after it', async () => {
  const together = new Together(clock);
  const first = watch(together.join('g', '1', never));
  for (let ms = 0; ms < MOST_MS - 1; ms += QUIET_MS / 2) {
    void together.join('g', String(ms), never);
    await vi.advanceTimersByTimeAsync(Math.min(QUIET_MS / 2, MOST_MS - 1 - ms));
    expect(first.isOver).toBe(false);
  }
  await vi.advanceTimersByTimeAsync(1);
  expect(first.isOver).toBe(true);
  const late = watch(together.join('g', 'late', never));
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect(late.isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(late.isOver).toBe(true);
});

it('lets go at once who is told to stop', async () => {
  const stop = new AbortController();
  const joined = watch(new Together(clock).join('g', '1', stop.signal));
  stop.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(joined.isOver).toBe(true);
  const late = watch(new Together(clock).join('g', '1', stop.signal));
  await vi.advanceTimersByTimeAsync(0);
  expect(late.isOver).toBe(true);
});
