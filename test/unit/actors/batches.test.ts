// A webhook that takes batches: whatever is poison among its events, whenever its owner crashes and however small
// the bounds are, everything is as with single events.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeliveryProfile } from '../../../src/domain/message.ts';
import { MemoryJobStore } from '../../support/memory-job-store.ts';
import type { MemoryRecord } from '../../support/memory-log.ts';
import { FROM, Stage, spec } from '../../support/memory-stage.ts';

/** Seconds on a calm machine. */
const PATIENCE_MS = 180_000;

const profile: fc.Arbitrary<DeliveryProfile> = fc.record({
  mode: fc.constantFrom('ndjson' as const, 'json-array' as const),
  maxEvents: fc.integer({ min: 1, max: 40 }),
  // A value of the memory log has 11 or 12 bytes.
  maxBytes: fc.integer({ min: 10, max: 600 }),
});

const cases = fc.record({
  count: fc.integer({ min: 1, max: 250 }),
  poison: fc.uniqueArray(fc.nat({ max: 249 }), { maxLength: 15 }),
  crashes: fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 3 }),
  copies: fc.array(fc.nat(), { maxLength: 80, size: 'max' }),
  maxRepeat: fc.integer({ min: 1, max: 60 }),
  batch: fc.integer({ min: 1, max: 40 }),
  seed: fc.integer(),
  delivery: profile,
  order: fc.constantFrom('any' as const, 'any' as const, 'strict' as const),
});
type Case = typeof cases extends fc.Arbitrary<infer Value> ? Value : never;

const events = (count: number): MemoryRecord[] =>
  Array.from({ length: count }, (_, n) => ({ key: 'ours', id: `e${n}`, timestampMs: FROM + n }));

function stageOf({ count, delivery, order, ...given }: Omit<Case, 'poison'>): Stage {
  const store = new MemoryJobStore({ ...spec, order });
  store.delivery = delivery;
  // Copies come in another order; strict order is that of what is read first.
  const copies = order === 'strict' ? [] : given.copies;
  return new Stage({ ...given, copies, records: events(count) }, store);
}

async function judge({ poison, ...given }: Case): Promise<void> {
  const stage = stageOf(given);
  const { store } = stage;
  stage.poison = new Set(poison.filter((n) => n < given.count).map((n) => `e${n}`));
  await stage.play();
  // Twenty refused in a row at the start would be a misdeployed receiver; there are fewer.
  expect(store.job.state).toBe('COMPLETED');
  const wanted = events(given.count).map(({ id }) => id);
  const healthy = wanted.filter((id) => !stage.poison.has(id));
  const received = new Set(stage.accepted);
  expect([...received].toSorted(), 'delivered').toEqual(healthy.toSorted());
  expect([...store.deadLetters.values()].map(({ eventId }) => eventId).toSorted(), 'dead letters').toEqual(
    [...stage.poison].toSorted(),
  );
  const repeats = stage.accepted.length - received.size;
  expect(repeats, 'repeats').toBeLessThanOrEqual(store.job.context.duplicateBound);
  expect(store.counts).toMatchObject({ delivered: healthy.length, deadLettered: stage.poison.size });
  const sizes = stage.requests.map((ids) => ids.length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.min(given.delivery.maxEvents, given.maxRepeat));
  // An owner that crashed leaves its requests behind.
  if (given.crashes.length === 0) expect(stage.mostInFlight).toBeLessThanOrEqual(given.maxRepeat);
  if (given.order === 'strict') {
    const order = [...received].map((id) => Number(id.slice(1)));
    expect(order, 'order').toEqual(order.toSorted((a, b) => a - b));
  }
}

describe('batches', () => {
  it(
    'lose, repeat and reorder nothing, and give up exactly the events that are poison',
    async () => {
      await fc.assert(fc.asyncProperty(cases, judge), {
        numRuns: 70,
        endOnFailure: true,
        includeErrorInReport: true,
      });
    },
    PATIENCE_MS,
  );

  it('are as large as the webhook allows', async () => {
    const delivery = { mode: 'ndjson', maxEvents: 30, maxBytes: 10_000 } as const;
    const stage = stageOf({
      ...{ count: 240, crashes: [], copies: [], maxRepeat: 1_000, batch: 300, seed: 3, order: 'any' },
      delivery,
    });
    await stage.play();
    const sizes = stage.requests.map((ids) => ids.length);
    expect(Math.max(...sizes)).toBe(30);
    // Fewer requests than a tenth of the events, those repeated after a 503 or a reset included.
    expect(sizes.length).toBeLessThan(24);
    expect(stage.store.counts.delivered).toBe(240);
  });

  it.each([
    [413, 150],
    [500, 20],
  ])(
    'that the receiver cannot take at all (%i) end as single events, none given up',
    async (status, count) => {
      const delivery = { mode: 'ndjson', maxEvents: 20, maxBytes: 10_000 } as const;
      const stage = stageOf({
        ...{ count, crashes: [], copies: [], maxRepeat: 1_000, batch: 300, seed: 9, order: 'any' },
        delivery,
      });
      stage.batchStatus = status;
      await stage.play();
      expect(stage.requests.some((ids) => ids.length > 1)).toBe(true);
      expect(stage.store.counts).toMatchObject({ delivered: count, deadLettered: 0 });
      expect(stage.accepted).toHaveLength(count);
    },
  );

  it('that fail for the moment are repeated whole', async () => {
    const delivery = { mode: 'json-array', maxEvents: 10, maxBytes: 10_000 } as const;
    const stage = stageOf({
      ...{ count: 200, crashes: [], copies: [], maxRepeat: 1_000, batch: 300, seed: 5, order: 'any' },
      delivery,
    });
    await stage.play();
    const seen = new Map<string, number>();
    for (const ids of stage.requests) seen.set(ids.join(), (seen.get(ids.join()) ?? 0) + 1);
    expect(stage.requests.length).toBeGreaterThan(20);
    expect([...seen.values()].some((times) => times > 1)).toBe(true);
    expect(stage.accepted).toHaveLength(200);
  });
});
