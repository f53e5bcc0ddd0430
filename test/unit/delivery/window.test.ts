import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Window } from '../../../src/domain/window.ts';

/** One round trip in which the whole window is used. */
function roundTrip(window: Window, startMs: number, durationMs = 10): number {
  const inFlight = window.limit;
  for (let index = 0; index < inFlight; index += 1) window.answered(startMs, startMs + durationMs, inFlight);
  return startMs + durationMs;
}

describe('Window', () => {
  test('starts small and doubles per round trip until the first strain', () => {
    const window = new Window(100);
    expect(window.limit).toBe(8);
    let nowMs = roundTrip(window, 0);
    expect(window.limit).toBe(16);
    for (let index = 0; index < 5; index += 1) nowMs = roundTrip(window, nowMs);
    expect(window.limit).toBe(100);
  });

  test('after a strain grows by about one per window of answers', () => {
    const window = new Window(100);
    roundTrip(window, 0);
    window.strained(10, 20);
    expect(window.limit).toBe(8);
    let nowMs = 20;
    for (let index = 0; index < 5; index += 1) nowMs = roundTrip(window, nowMs);
    expect(window.limit).toBeGreaterThanOrEqual(12);
    expect(window.limit).toBeLessThanOrEqual(13);
  });

  test('a whole window that fails together halves once', () => {
    const window = new Window(64, 64);
    for (let index = 0; index < 64; index += 1) window.strained(100, 110 + index);
    expect(window.limit).toBe(32);
    window.strained(111, 200);
    expect(window.limit).toBe(16);
  });

  test('goes down to one and never below', () => {
    const window = new Window(8);
    for (let nowMs = 0; nowMs < 100; nowMs += 1) window.strained(nowMs, nowMs);
    expect(window.limit).toBe(1);
  });

  test('at one each further strain in a row rests longer, up to 100 ms, and an answer ends the row', () => {
    const window = new Window(2);
    window.strained(0, 10);
    expect([window.limit, window.waitMs(10)]).toEqual([1, 0]);
    // Sent beside the first one: no news.
    window.strained(0, 11);
    expect(window.waitMs(11)).toBe(0);
    let nowMs = 20;
    const rests = Array.from({ length: 4 }, () => {
      window.strained(nowMs, nowMs + 1);
      const restMs = window.waitMs(nowMs + 1);
      nowMs += 1 + restMs;
      return restMs;
    });
    expect(rests).toEqual([50, 100, 100, 100]);
    window.answered(nowMs, nowMs + 1, 1);
    expect(window.room(0, nowMs + 1)).toBeGreaterThan(0);
    window.setCap(1);
    window.strained(nowMs + 2, nowMs + 3);
    expect(window.waitMs(nowMs + 3)).toBe(50);
  });

  test('a window that is not used does not grow', () => {
    const window = new Window(100);
    for (let nowMs = 0; nowMs < 1_000; nowMs += 1) window.answered(nowMs, nowMs + 5, 2);
    expect(window.limit).toBe(8);
  });

  test('latency that blows up narrows it, but not below its start', () => {
    const window = new Window(256);
    let nowMs = 0;
    for (let index = 0; index < 8; index += 1) nowMs = roundTrip(window, nowMs, 10);
    expect(window.limit).toBe(256);
    nowMs = roundTrip(window, nowMs, 400);
    expect(window.limit).toBeLessThan(256);
    for (let index = 0; index < 6; index += 1) nowMs = roundTrip(window, nowMs, 400);
    expect(window.limit).toBeGreaterThanOrEqual(8);
    // A receiver that stays slow becomes the new calm: the window widens again.
    for (let index = 0; index < 100; index += 1) nowMs = roundTrip(window, nowMs, 400);
    expect(window.limit).toBeGreaterThan(30);
  });

  test('noise of a fast receiver is no blow-up', () => {
    const window = new Window(32);
    for (let nowMs = 0; nowMs < 2_000; nowMs += 1)
      window.answered(nowMs, nowMs + (nowMs % 10 === 0 ? 60 : 1), 32);
    expect(window.limit).toBe(32);
  });

  test('holds everything until Retry-After, and a shorter one does not cut it', () => {
    const window = new Window(8);
    window.slowDown(5_000);
    window.slowDown(2_000);
    expect(window.room(0, 4_999)).toBe(0);
    expect(window.waitMs(4_000)).toBe(1_000);
    expect(window.room(0, 5_000)).toBe(8);
    expect(window.room(6, 5_000)).toBe(2);
    expect(window.room(20, 5_000)).toBe(0);
  });

  test('the cap can change while running', () => {
    const window = new Window(100);
    window.setCap(4);
    expect(window.limit).toBe(4);
    window.setCap(50);
    roundTrip(window, 0);
    expect(window.limit).toBeGreaterThan(4);
    expect(() => window.setCap(0)).toThrow('invalid_request');
    expect(() => new Window(1.5)).toThrow('invalid_request');
  });

  test('stays between 1 and the cap whatever happens', () => {
    const event = fc.record({
      kind: fc.constantFrom('answered', 'strained', 'slowDown', 'cap'),
      agoMs: fc.integer({ min: 0, max: 30_000 }),
      stepMs: fc.integer({ min: -1_000, max: 1_000 }),
      number: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(event, { maxLength: 200 }), (first, events) => {
        let cap = first;
        let nowMs = 50_000;
        const window = new Window(cap);
        for (const { kind, agoMs, stepMs, number } of events) {
          nowMs += stepMs;
          if (kind === 'answered') window.answered(nowMs - agoMs, nowMs, number);
          else if (kind === 'strained') window.strained(nowMs - agoMs, nowMs);
          else if (kind === 'slowDown') window.slowDown(nowMs + agoMs);
          else window.setCap((cap = number));
          expect(window.limit).toBeGreaterThanOrEqual(1);
          expect(window.limit).toBeLessThanOrEqual(cap);
          expect(Number.isInteger(window.limit)).toBe(true);
        }
      }),
    );
  });
});
