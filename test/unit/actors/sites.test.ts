// A job that reads one of two sites, each with its own topic and a copy of the other's, while sites fall silent and
// owners die at any moment: whatever the interleaving, nothing is lost, and repeats stay within the stated bound.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import type { Evidence, JobSpec } from '../../../src/domain/job.ts';
import { expectWholeDelivery } from '../../support/delivered.ts';
import { MemoryJobStore } from '../../support/memory-job-store.ts';
import { WANTED_ONLY } from '../../support/memory-log.ts';
import type { MemoryRecord } from '../../support/memory-log.ts';
import { FROM, Stage, TO, spec } from '../../support/memory-stage.ts';
import type { World } from '../../support/memory-stage.ts';

const PATIENCE_MS = 180_000;
const OWN1 = asSourceName('dc1/delivery_log');
const COPY1 = asSourceName('dc1/dc2.delivery_log');
const OWN2 = asSourceName('dc2/delivery_log');
const COPY2 = asSourceName('dc2/dc1.delivery_log');
/** What was seen, so that a generator that makes nothing happen is noticed. */
const seen = { memory: 0, ledger: 0, resent: 0, keptByLedger: 0 };

interface SiteFault {
  /** The write or send before which it begins. */
  readonly at: number;
  /** null: both work again. */
  readonly down: 'dc1' | 'dc2' | null;
}

interface TwoSites extends World {
  readonly produced1: readonly MemoryRecord[];
  readonly produced2: readonly MemoryRecord[];
  /** How many runs of copies a restarted mirror repeats. */
  readonly again: readonly number[];
  readonly faults: readonly SiteFault[];
}

const record = (prefix: string): fc.Arbitrary<MemoryRecord> =>
  fc.record({
    key: fc.constantFrom('ours', 'ours', 'theirs'),
    id: fc.integer({ min: 0, max: 150 }).map((n) => `${prefix}${n}`),
    timestampMs: fc.integer({ min: FROM - 20_000, max: TO + 20_000 }),
    tombstone: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
    kind: fc.constantFrom('wanted', 'wanted', 'other'),
  });

/** Half of the logs are in the order of time, as most are. */
const produced = (prefix: string, minLength: number): fc.Arbitrary<readonly MemoryRecord[]> =>
  fc
    .tuple(fc.array(record(prefix), { minLength, maxLength: 250, size: 'max' }), fc.boolean())
    .map(([records, isOrdered]) =>
      isOrdered ? records.toSorted((a, b) => a.timestampMs - b.timestampMs).map(unique) : records,
    );
const unique = (one: MemoryRecord, at: number): MemoryRecord => ({ ...one, id: `${one.id}-${at >> 1}` });

const fault: fc.Arbitrary<SiteFault> = fc.record({
  at: fc.integer({ min: 0, max: 400 }),
  down: fc.constantFrom('dc1', 'dc1', 'dc2', null),
});

const world: fc.Arbitrary<TwoSites> = fc.record({
  records: fc.constant([]),
  copies: fc.constant([]),
  produced1: produced('a', 1),
  produced2: produced('b', 0),
  again: fc.array(fc.nat(), { maxLength: 3 }),
  faults: fc.array(fault, { maxLength: 5 }),
  crashes: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 3 }),
  maxRepeat: fc.integer({ min: 1, max: 12 }),
  batch: fc.integer({ min: 1, max: 30 }),
  seed: fc.integer(),
  siteDownMs: fc.constant(3),
});

/** What a mirror makes of a log: the same order, now and then a run once more. */
function mirrored(records: readonly MemoryRecord[], again: readonly number[]): readonly MemoryRecord[] {
  const copies = [...records];
  for (const n of again) {
    const at = n % (copies.length + 1);
    copies.splice(at, 0, ...copies.slice(Math.max(0, at - 10), at));
  }
  return copies;
}

const inRange = ({ key, timestampMs, tombstone }: MemoryRecord): boolean =>
  key === 'ours' && !tombstone && timestampMs >= FROM && timestampMs < TO;

function stageOf(given: TwoSites, change: Partial<JobSpec> = {}, evidence: Evidence = 'endOffsets'): Stage {
  const stage = new Stage(
    given,
    new MemoryJobStore({ ...spec, ...change }),
    new Map([
      [OWN1, given.produced1],
      [COPY1, mirrored(given.produced2, given.again)],
      [OWN2, given.produced2],
      [COPY2, mirrored(given.produced1, given.again)],
    ]),
  );
  stage.log.copies.set(COPY1, { of: OWN2, evidence });
  stage.log.copies.set(COPY2, { of: OWN1, evidence });
  const faults = given.faults.toSorted((a, b) => a.at - b.at);
  stage.beforeStep = (steps) => {
    while (faults[0] && faults[0].at <= steps) {
      const { down } = faults.shift() as SiteFault;
      for (const site of ['dc1', 'dc2']) {
        if (site === down) stage.log.breakDown(site);
        else stage.log.mend(site);
      }
    }
  };
  return stage;
}

async function judge(given: TwoSites, change: Partial<JobSpec> = {}): Promise<void> {
  const stage = stageOf(given, change);
  await stage.play();
  const passes = ({ kind }: MemoryRecord): boolean => !change.filters || kind === 'wanted';
  const events = [...given.produced1, ...given.produced2].filter(inRange).filter(passes);
  const wanted = new Set(events.map(({ id }) => id));
  expectWholeDelivery(stage.accepted, stage.store, wanted);
  for (const fact of stage.store.facts) {
    if (fact.type !== 'SITE_SWITCHED') continue;
    seen[fact.by]++;
    seen.resent += fact.boundAdded;
    if (fact.pins.some(({ done }) => done)) seen.keptByLedger++;
  }
}

describe('a job of two sites, of which one at a time may fall silent, with owners that crash', () => {
  it(
    'loses nothing, sends nothing foreign, and repeats within its bound',
    async () => {
      await fc.assert(
        fc.asyncProperty(world, (given) => judge(given)),
        { numRuns: 150, endOnFailure: true, includeErrorInReport: true },
      );
      expect(
        Math.min(seen.memory, seen.ledger, seen.resent, seen.keptByLedger),
        JSON.stringify(seen),
      ).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );

  it(
    'does so of what passes its filters, and knows the minutes that are done by that alone',
    async () => {
      const before = seen.keptByLedger;
      await fc.assert(
        fc.asyncProperty(world, (given) => judge(given, { filters: [WANTED_ONLY] })),
        { numRuns: 100, endOnFailure: true, includeErrorInReport: true },
      );
      expect(seen.keptByLedger - before).toBeGreaterThan(1);
    },
    PATIENCE_MS,
  );

  it(
    'does so when it reads both at once',
    async () => {
      await fc.assert(
        fc.asyncProperty(world, (given) => judge(given, { readMode: 'union' })),
        { numRuns: 60, endOnFailure: true, includeErrorInReport: true },
      );
    },
    PATIENCE_MS,
  );
});

const event = (id: string, ms: number): MemoryRecord => ({ key: 'ours', id, timestampMs: FROM + ms });
const QUIET: TwoSites = {
  records: [],
  copies: [],
  produced1: [event('a0', 0), event('a1', 60_000), event('a2', 120_000)],
  produced2: [event('b0', 1), event('b1', 60_001)],
  again: [],
  faults: [],
  crashes: [],
  maxRepeat: 5,
  batch: 2,
  seed: 7,
  siteDownMs: 3,
};
const ALL = ['a0', 'a1', 'a2', 'b0', 'b1'];
const switchesOf = ({ store }: Stage) =>
  store.facts.flatMap((fact) =>
    fact.type === 'SITE_SWITCHED' ? [`${fact.why} ${fact.site} by ${fact.by}`] : [],
  );

describe('a site that cannot be read whole', () => {
  it('has its gaps filled from the other one, without repeats', async () => {
    const stage = stageOf(QUIET);
    stage.log.damaged.set(OWN1, [1, 2]);
    await stage.play();
    expect(stage.store.job).toMatchObject({
      state: 'COMPLETED',
      context: { outcome: 'complete', site: 'dc2' },
    });
    expect(stage.accepted.toSorted()).toEqual(ALL);
    expect(switchesOf(stage)).toEqual(['gaps dc2 by memory']);
    expect(stage.store.gaps).toEqual([
      { source: OWN1, from: 1, to: 2, reason: 'crc_mismatch', filledBy: 'dc2' },
    ]);
    expect(stage.store.counts.siteSwitches).toBe(1);
  });

  it('leaves the gaps when the other one has some too', async () => {
    const stage = stageOf(QUIET);
    stage.log.damaged.set(OWN1, [1, 2]);
    stage.log.damaged.set(OWN2, [0, 1]);
    await stage.play();
    expect(stage.store.job.context.outcome).toBe('incomplete');
    expect(stage.accepted.toSorted()).toEqual(ALL);
    expect(stage.store.gaps.map(({ source, filledBy }) => [source, filledBy])).toEqual([
      [OWN1, undefined],
      [OWN2, undefined],
    ]);
  });

  it('is left for the other one when its log was replaced', async () => {
    const stage = stageOf(QUIET);
    stage.log.broken.set(OWN1, 'log_replaced');
    await stage.play();
    expect(stage.store.job).toMatchObject({
      state: 'COMPLETED',
      context: { outcome: 'complete', site: 'dc2' },
    });
    expect(stage.accepted.toSorted()).toEqual(ALL);
    expect(switchesOf(stage)).toEqual(['replaced dc2 by memory']);
  });

  it('is left although its own topic is whole when nothing proves the copy, and both own topics are enough', async () => {
    const stage = stageOf(QUIET, {}, 'none');
    await stage.play();
    expect(stage.store.job).toMatchObject({
      state: 'COMPLETED',
      context: { outcome: 'complete', site: 'dc2' },
    });
    expect(stage.accepted.toSorted()).toEqual(ALL);
    expect(stage.store.gaps).toEqual([
      { source: COPY1, from: 2, to: 2, reason: 'mirror_unproven', filledBy: '*' },
    ]);
  });

  it.each(['heartbeats', 'none'] as const)(
    'ends incomplete with %s for evidence and no other site',
    async (evidence) => {
      const stage = stageOf({ ...QUIET, faults: [{ at: 0, down: 'dc2' }] }, {}, evidence);
      await stage.play();
      expect(stage.store.job).toMatchObject({
        state: 'COMPLETED',
        context: { outcome: 'incomplete', site: 'dc1' },
      });
      expect(stage.accepted.toSorted()).toEqual(ALL);
      expect(stage.store.gaps).toEqual([{ source: COPY1, from: 2, to: 2, reason: 'mirror_unproven' }]);
      const pins = stage.store.job.context.pins ?? [];
      expect(pins.find(({ source }) => source === COPY1)).toMatchObject({ copyOf: OWN2, evidence });
    },
  );
});

describe('an event that only the other site holds', () => {
  const older = { ...QUIET, produced2: [...QUIET.produced2, event('only-at-dc2', 2)] };
  function unmirrored(change: Partial<JobSpec>): Stage {
    const sources = new Map([
      [OWN1, older.produced1],
      [COPY1, QUIET.produced2],
      [OWN2, older.produced2],
      [COPY2, older.produced1],
    ]);
    const stage = new Stage(older, new MemoryJobStore({ ...spec, ...change }), sources);
    stage.log.copies.set(COPY1, { of: OWN2, evidence: 'endOffsets' });
    stage.log.copies.set(COPY2, { of: OWN1, evidence: 'endOffsets' });
    return stage;
  }

  it('is delivered after a switch, far older than the switch as it is', async () => {
    const stage = unmirrored({});
    const lost = Promise.withResolvers<undefined>();
    stage.log.hold = { at: 1, until: lost.promise };
    stage.beforeStep = () => {
      if (stage.store.job.state !== 'ONGOING') return;
      stage.log.breakDown('dc1');
      lost.resolve(undefined);
    };
    await stage.play();
    expect(switchesOf(stage)).toEqual(['unreachable dc2 by memory']);
    expect(stage.accepted.toSorted()).toEqual([...ALL, 'only-at-dc2']);
  });

  it('is delivered in union mode, and counted', async () => {
    const stage = unmirrored({ readMode: 'union' });
    await stage.play();
    expect(switchesOf(stage)).toEqual([]);
    expect(stage.accepted.toSorted()).toEqual([...ALL, 'only-at-dc2']);
    expect(stage.store.counts.onlyIn).toEqual({ dc1: 0, dc2: 1 });
    expect(stage.store.job.context.outcome).toBe('complete');
  });
});
