import { describe, expect, it } from 'vitest';
import { TimeWatch } from '../../../src/kafka/time-watch.ts';

describe('TimeWatch', () => {
  it('is past only after 64 batches and 10,000 records in a row behind the limit', () => {
    const watch = new TimeWatch(900, 100);
    for (let i = 0; i < 63; i++) watch.batch(1001, 1000);
    expect(watch.isPast()).toBe(false);
    watch.batch(1001, 1);
    expect(watch.isPast()).toBe(true);
    const few = new TimeWatch(900, 100);
    for (let i = 0; i < 64; i++) few.batch(1001, 10);
    expect(few.isPast()).toBe(false);
  });

  it('begins again at one late record', () => {
    const watch = new TimeWatch(900, 100);
    for (let i = 0; i < 100; i++) watch.batch(2000, 1000);
    watch.batch(1000, 1000);
    expect(watch.isPast()).toBe(false);
  });

  it('is never past in a log whose disorder is above half the slack', () => {
    const watch = new TimeWatch(900, 100);
    watch.skipped(500, 1);
    watch.skipped(449, 1);
    for (let i = 0; i < 100; i++) watch.batch(2000, 1000);
    expect(watch.isPast()).toBe(false);
  });

  it('counts a batch that was passed over as a step back', () => {
    const watch = new TimeWatch(900, 100);
    watch.skipped(900, 10);
    watch.skipped(300, 10);
    expect(watch.disorderMs).toBe(600);
  });
});
