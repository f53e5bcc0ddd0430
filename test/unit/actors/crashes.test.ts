// The whole pipeline of a job (lookup, streams, merge, dedupe, delivery, cut, gate) under random crashes: the
// owner dies before or after any write or send, and another one takes over. Whatever the interleaving, nothing
// is lost, nothing foreign is sent, repeats stay within the stated bound, and the counts add up.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identify } from '../../../src/domain/identity.ts';
import { NO_COUNTS } from '../../../src/domain/job.ts';
import type { EventFilter } from '../../../src/domain/job.ts';
import { SINGLE } from '../../../src/domain/message.ts';
import type { DeliveryProfile } from '../../../src/domain/message.ts';
import type { HeartbeatDetail } from '../../../src/domain/store.ts';
import { expectWholeDelivery } from '../../support/delivered.ts';
import { MemoryJobStore } from '../../support/memory-job-store.ts';
import { WANTED_ONLY } from '../../support/memory-log.ts';
import type { MemoryRecord } from '../../support/memory-log.ts';
import { A, FROM, Stage, TO, spec } from '../../support/memory-stage.ts';
import type { World } from '../../support/memory-stage.ts';

/** Seconds on a calm machine. */
const PATIENCE_MS = 180_000;
const BEAT: HeartbeatDetail = {
  phase: 'streaming',
  rate: 0,
  etaMs: null,
  inFlight: 0,
  window: 0,
  queued: 0,
  retrying: 0,
  owed: 0,
  exposed: 0,
  waiting: null,
  lastRefusal: null,
};

const record: fc.Arbitrary<MemoryRecord> = fc.record({
  key: fc.constantFrom('ours', 'ours', 'ours', 'theirs'),
  id: fc.integer({ min: 0, max: 200 }).map((n) => `e${n}`),
  timestampMs: fc.integer({ min: FROM - 20_000, max: TO + 20_000 }),
  tombstone: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  kind: fc.constantFrom('wanted', 'wanted', 'other'),
});

const world: fc.Arbitrary<World> = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 500, size: 'max' }),
  copies: fc.array(fc.nat(), { maxLength: 200, size: 'max' }),
  crashes: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 4 }),
  maxRepeat: fc.integer({ min: 1, max: 12 }),
  batch: fc.integer({ min: 1, max: 30 }),
  seed: fc.integer(),
});

const inRange = ({ key, timestampMs }: MemoryRecord): boolean =>
  key === 'ours' && timestampMs >= FROM && timestampMs < TO;

const packing: fc.Arbitrary<DeliveryProfile> = fc.record({
  mode: fc.constantFrom('ndjson', 'json-array'),
  maxEvents: fc.integer({ min: 2, max: 20 }),
  maxBytes: fc.constant(1_024),
});

async function judge(given: World, delivery = SINGLE, filters: readonly EventFilter[] = []): Promise<void> {
  const stage = new Stage(given, new MemoryJobStore({ ...spec, filters }));
  stage.store.delivery = delivery;
  await stage.play();
  const copies = given.copies.flatMap((n) => given.records[n % given.records.length] ?? []);
  const read = [...given.records, ...copies].filter(inRange);
  const events = read.filter(({ tombstone }) => !tombstone);
  const passes = ({ kind }: MemoryRecord): boolean => filters.length === 0 || kind === 'wanted';
  const passing = events.filter(passes);
  expectWholeDelivery(stage.accepted, stage.store, new Set(passing.map(({ id }) => id)));
  expect(stage.store.counts).toMatchObject({
    matched: events.length,
    filtered: events.length - passing.length,
    tombstones: read.length - events.length,
  });
}

describe('a job whose owners crash at any moment', () => {
  it(
    'loses nothing, sends nothing foreign, and repeats within its bound',
    async () => {
      await fc.assert(
        fc.asyncProperty(world, (given) => judge(given)),
        { numRuns: 300, endOnFailure: true, includeErrorInReport: true },
      );
    },
    PATIENCE_MS,
  );

  it(
    'does so in batches, too',
    async () => {
      await fc.assert(
        fc.asyncProperty(world, packing, (given, delivery) => judge(given, delivery)),
        {
          numRuns: 150,
          endOnFailure: true,
          includeErrorInReport: true,
        },
      );
    },
    PATIENCE_MS,
  );
});

describe('a job with filters whose owners crash at any moment', () => {
  it(
    'sends only what passes, once, also when a copy does not, and counts the rest exactly',
    async () => {
      const run = (given: World): Promise<void> => judge(given, SINGLE, [WANTED_ONLY]);
      await fc.assert(fc.asyncProperty(world, run), {
        numRuns: 200,
        endOnFailure: true,
        includeErrorInReport: true,
      });
    },
    PATIENCE_MS,
  );
});

describe('a cut that lies past the end that was pinned after it', () => {
  it('is taken up again: what is owed there is delivered', async () => {
    const records = [0, 1, 2].map((n) => ({ key: 'ours', id: `e${n}`, timestampMs: FROM + n }));
    const stage = new Stage({ records, copies: [], crashes: [], maxRepeat: 10, batch: 10, seed: 7 });
    const { store } = stage;
    const { lease } = store.claim('first', 10);
    const owner = store.port();
    const pin = { source: A, topic: 'delivery_log', partition: 0, start: 0, first: null };
    const { fence } = lease;
    const write = {
      cut: {
        [A]: { next: 2, owed: [[1, identify(Buffer.from('e1'), Buffer.alloc(0), 0, 'value').identity]] },
      },
      counts: { ...NO_COUNTS, scanned: 2, matched: 2, delivered: 1 },
      progress: 1,
      deadLetters: [],
      gaps: [],
      minutes: [],
    } as const;
    const resolved = { site: 'dc1', partition: 0, pins: [{ ...pin, end: null }], waitingUntilMs: 1 };
    await owner.commit(store.id, { type: 'OFFSETS_RESOLVED', fence, ...resolved }, lease, write);
    // The watermark was asked for before the second record came, and committed after it was read.
    await owner.commit(store.id, { type: 'ENDS_PINNED', fence, ends: { [A]: 1 } }, lease, write);
    await stage.play();
    expect(stage.accepted).toEqual(['e1']);
    expect(store.job.context.outcome).toBe('complete');
    expect(store.counts).toMatchObject({ matched: 2, delivered: 2, duplicates: 0 });
  });
});

describe('a request that is recorded between the claim and the reading of the history', () => {
  it('is applied after the claim, and the job runs', async () => {
    const records = [0, 1, 2].map((n) => ({ key: 'ours', id: `e${n}`, timestampMs: FROM + n }));
    const stage = new Stage({ records, copies: [], crashes: [], maxRepeat: 10, batch: 10, seed: 7 });
    stage.afterClaim = () => {
      stage.store.request({
        type: 'LIMITS_CHANGED',
        limits: { maxRate: 5_000, concurrency: 2 },
        by: 'op',
        why: '',
      });
    };
    await stage.play();
    expect(stage.store.job.context).toMatchObject({
      outcome: 'complete',
      fence: 1,
      limits: { concurrency: 2 },
    });
    expect(stage.accepted.toSorted()).toEqual(['e0', 'e1', 'e2']);
  });
});

describe('an owner that reads of another one in the history', () => {
  it('stops, and never goes on under the fence of the other', async () => {
    const records = Array.from({ length: 400 }, (_, n) => ({
      key: 'ours',
      id: `e${n}`,
      timestampMs: FROM + n,
    }));
    const stage = new Stage({ records, copies: [], crashes: [], maxRepeat: 10, batch: 10, seed: 7 });
    const first = stage.start('first');
    const second = stage.store.claim('second', 10);
    await first.looked(undefined);
    await first.ended;
    const sent = stage.accepted.length;
    expect(stage.store.job.context).toMatchObject({ fence: 2, owner: 'second' });
    expect(await stage.store.port().heartbeat(second.lease, 1, 1, BEAT)).toBe('held');
    expect(stage.store.facts.map(({ type }) => type).at(-1)).toBe('RECLAIMED');
    expect(stage.accepted).toHaveLength(sent);
    expect(stage.moves).toContain('first CLAIMED');
    expect(stage.moves).not.toContain('first RECLAIMED');
  });
});
