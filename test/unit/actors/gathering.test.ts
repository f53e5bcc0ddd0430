// What a claim asks for: jobs on partitions that the instance reads already, but not for ever.

import { describe, expect, it } from 'vitest';
import type { Edges } from '../../../src/actors/edges.ts';
import { Gathering, IN_A_ROW } from '../../../src/actors/gathering.ts';
import { Pool } from '../../../src/actors/pool.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReadingNow } from '../../../src/domain/log.ts';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import type { ClaimRequest } from '../../../src/domain/store.ts';

const PARTITIONS = 16;
const reading = (...now: number[]): ReadingNow => ({ partitions: PARTITIONS, now });

describe('a preference', () => {
  it('names what is read and what is about to be, each once', () => {
    const partition = partitionOf('a', PARTITIONS);
    const other = (partition + 1) % PARTITIONS;
    const { gather } = new Gathering().preference(reading(other), ['a', 'a']);
    expect(gather?.partitions).toBe(PARTITIONS);
    expect([...(gather?.now ?? [])].toSorted((a, b) => a - b)).toEqual(
      [partition, other].toSorted((a, b) => a - b),
    );
  });

  it('is none while nothing is read or the number of partitions is not known, and by age while everything is', () => {
    const gathering = new Gathering();
    expect(gathering.preference(reading(), [])).toEqual({});
    const { gather } = gathering.preference(reading(...Array(PARTITIONS).keys()), []);
    expect(gather).toMatchObject({ isByAge: true });
    expect(gathering.preference({ partitions: null, now: [1] }, ['a'])).toEqual({});
  });

  it('names first where most jobs wait to be read', () => {
    const on = (partition: number): string => {
      for (let n = 0; ; n++) if (partitionOf(`k${n}`, PARTITIONS) === partition) return `k${n}`;
    };
    const { gather } = new Gathering().preference(reading(0, 2), [on(7), on(5), on(5), on(2)]);
    expect(gather?.now).toEqual([5, 7, 2, 0]);
  });

  it(`is by age after ${IN_A_ROW} in a row`, () => {
    const gathering = new Gathering();
    const asked = Array.from({ length: 3 * (IN_A_ROW + 1) }, () => gathering.preference(reading(1), []));
    const plain = asked.flatMap(({ gather }, n) => (gather?.isByAge === true ? [n] : []));
    expect(plain).toEqual([IN_A_ROW, 2 * IN_A_ROW + 1, 3 * IN_A_ROW + 2]);
  });
});

describe('the pool', () => {
  async function claimsOf(now: ReadingNow): Promise<readonly ClaimRequest[]> {
    const claims: ClaimRequest[] = [];
    const store = {
      reclaim: () => Promise.resolve([]),
      claim: (request: ClaimRequest) => {
        claims.push(request);
        return Promise.resolve(null);
      },
      look: () => Promise.resolve([]),
      instanceAlive: () => Promise.resolve(),
      instanceGone: () => Promise.resolve(),
    };
    const settings = { instance: asInstanceId('a'), leaseMs: 1_000, maxRepeat: 5, heartbeatIntervalMs: 100 };
    const clock = { monoMs: () => performance.now(), wallMs: () => Date.now() };
    const log = { reading: () => now };
    let polled = (): void => undefined;
    const isPolled = new Promise<void>((resolve) => (polled = resolve));
    const emit = (signal: string): void => {
      if (signal === 'pool.polled') polled();
    };
    const edges = { store, settings, clock, log, emit } as unknown as Edges;
    const intervals = { pollIntervalMs: 60_000, lookIntervalMs: 60_000, reclaimsPerPoll: 8 };
    const pool = new Pool(edges, { size: 2, ...intervals }, () => ({ version: '0', listen: '' }));
    pool.start();
    await isPolled;
    await pool.stop(1_000);
    return claims;
  }

  it('claims with what the log says is being read', async () => {
    const claims = await claimsOf(reading(3, 5));
    expect(claims.length).toBeGreaterThan(0);
    for (const claim of claims) expect(claim.gather).toEqual({ partitions: PARTITIONS, now: [3, 5] });
  });

  it('claims by age while nothing is being read', async () => {
    const claims = await claimsOf(reading());
    expect(claims.length).toBeGreaterThan(0);
    for (const claim of claims) expect(claim).not.toHaveProperty('gather');
  });

  it('asks once when there is nothing', async () => {
    expect(await claimsOf(reading())).toHaveLength(1);
  });
});
