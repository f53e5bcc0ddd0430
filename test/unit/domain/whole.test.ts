import { describe, expect, it } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import type { Gap, Pin } from '../../../src/domain/job.ts';
import { EVERY_SITE, mayBeWhole, readWhole } from '../../../src/domain/whole.ts';

const OWN1 = asSourceName('dc1/delivery_log');
const COPY1 = asSourceName('dc1/dc2.delivery_log');
const OWN2 = asSourceName('dc2/delivery_log');
const COPY2 = asSourceName('dc2/dc1.delivery_log');

const pin = (source: Pin['source'], more: Partial<Pin> = {}): Pin => ({
  source,
  topic: 'delivery_log',
  partition: 0,
  start: 0,
  end: 9,
  first: null,
  ...more,
});
const own1 = pin(OWN1);
const own2 = pin(OWN2);
const copy1 = (more: Partial<Pin> = {}): Pin => pin(COPY1, { copyOf: OWN2, ...more });
const copy2 = (more: Partial<Pin> = {}): Pin => pin(COPY2, { copyOf: OWN1, ...more });
const gapIn = (source: Pin['source']): Gap => ({ source, from: 1, to: 2, reason: 'crc_mismatch' });
const left = { isLeft: true } as const;
const PROVEN = { evidence: 'endOffsets' } as const;

describe('the log of one site', () => {
  it('is read whole without a gap, also when it has no copies at all', () => {
    expect(readWhole([own1], [])).toBe('dc1');
    expect(readWhole([own1], [gapIn(OWN1)])).toBeNull();
    expect(readWhole([own1, copy1(PROVEN)], [])).toBe('dc1');
    expect(readWhole([own1, copy1(PROVEN)], [gapIn(COPY1)])).toBeNull();
  });

  it('is not read whole while nothing proves a copy', () => {
    for (const evidence of ['heartbeats', 'none'] as const) {
      expect(readWhole([own1, copy1({ evidence })], [])).toBeNull();
      expect(mayBeWhole([own1, copy1({ evidence })])).toBe(false);
    }
    expect(readWhole([own1, copy1()], [])).toBeNull();
  });

  it('does not suffer from gaps of a site that was left', () => {
    expect(readWhole([{ ...own1, ...left }, own2, copy2(PROVEN)], [gapIn(OWN1)])).toBe('dc2');
  });

  it('is not whole by what was left before its end', () => {
    expect(readWhole([{ ...own1, ...left }, own2, copy2({ evidence: 'none' })], [])).toBeNull();
  });
});

describe('the own topics of all sites', () => {
  it('are the whole log, whatever their copies are', () => {
    const both = [own1, copy1({ evidence: 'none' }), own2, copy2()];
    expect(readWhole(both, [])).toBe(EVERY_SITE);
    expect(readWhole(both, [gapIn(COPY1), gapIn(COPY2)])).toBe(EVERY_SITE);
    expect(readWhole(both, [gapIn(OWN2)])).toBeNull();
  });

  it('count when one of them was read to its end before its site was left', () => {
    const read = { ...own1, ...left, isRead: true } as const;
    const pins = [
      read,
      copy1({ evidence: 'none', ...left, isRead: true }),
      own2,
      copy2({ evidence: 'none' }),
    ];
    expect(readWhole(pins, [])).toBe(EVERY_SITE);
  });
});
