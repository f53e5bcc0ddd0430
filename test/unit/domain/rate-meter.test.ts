import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../src/domain/rate-meter.ts';

describe('a rate meter', () => {
  it('knows nothing before its second sample', () => {
    const meter = new RateMeter(1_000);
    expect(meter.perSecond).toBe(0);
    meter.note(0, 100);
    expect(meter.perSecond).toBe(0);
  });

  it('tells the rate over its window, however often it is asked to note', () => {
    const meter = new RateMeter(1_000);
    for (let ms = 0; ms <= 5_000; ms++) meter.note(ms, ms * 2);
    expect(meter.perSecond).toBeCloseTo(2_000);
    for (let ms = 5_001; ms <= 8_000; ms++) meter.note(ms, 10_000);
    expect(meter.perSecond).toBe(0);
  });

  it('begins anew with a total that fell', () => {
    const meter = new RateMeter(1_000);
    for (let ms = 0; ms <= 500; ms++) meter.note(ms, ms * 2);
    meter.note(501, 300);
    expect(meter.perSecond).toBe(0);
    meter.note(601, 350);
    expect(meter.perSecond).toBeCloseTo(500);
  });
});
