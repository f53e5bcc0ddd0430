// Claims that prefer partitions: the order that they give, how long the oldest job may wait for it, and jobs of
// instances that wrote no hash.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Gathering, IN_A_ROW } from '../../../src/actors/gathering.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { JobStore } from '../../../src/domain/store.ts';
import { checkHistories, checkTurns, draft, freshStores, newReplay } from '../../support/database.ts';
import { removeJobs, TENANT } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';

const PARTITIONS = 4;
const by = (...now: number[]) => ({
  ...{ instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 10 },
  ...(now.length > 0 && { gather: { partitions: PARTITIONS, now } }),
});

let database: TestDatabase;
let jobs: JobStore;
let replays: ReplayStore;
let keys = 0;

beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
});
afterAll(() => database.drop());
afterEach(async () => {
  await checkHistories(database);
  await checkTurns(database);
  await removeJobs(database);
});

/** A job of a webhook of its own on that partition. */
async function jobOn(partition: number): Promise<JobId> {
  let key: string;
  do key = `key-${keys++}`;
  while (partitionOf(key, PARTITIONS) !== partition);
  const webhook = await replays.createWebhook(TENANT, { ...draft, key });
  if (webhook === 'key_taken') throw new Error(`key ${key} was taken`);
  return (await newReplay(replays, webhook.id)).id;
}

async function claimed(...now: number[]): Promise<JobId | null> {
  return (await jobs.claim(by(...now)))?.job.id ?? null;
}

describe('a claim that prefers partitions', () => {
  it('takes the oldest job on one of them, then the oldest of all', async () => {
    const [a, b, c, d] = [await jobOn(0), await jobOn(1), await jobOn(2), await jobOn(1)];
    expect(await claimed(1, 2)).toBe(b);
    expect(await claimed(1)).toBe(d);
    expect(await claimed(1)).toBe(a);
    expect(await claimed()).toBe(c);
    expect(await claimed(1)).toBeNull();
  });

  it('sees only jobs that have their webhook’s turn, and none that another holds', async () => {
    const other = await jobOn(0);
    const first = await jobOn(1);
    const { webhookId } = (await replays.replay(TENANT, first))?.spec ?? {};
    if (!webhookId) throw new Error('no webhook');
    await newReplay(replays, webhookId);
    const second = await jobOn(1);
    const rival = await database.connect();
    await rival.query('BEGIN');
    await rival.query('SELECT id FROM replay_jobs WHERE id = ? FOR UPDATE', [BigInt(first)]);
    expect(await claimed(1)).toBe(second);
    expect(await claimed(1)).toBe(other);
    expect(await claimed(1)).toBeNull();
    await rival.query('ROLLBACK');
    expect(await claimed(1)).toBe(first);
    expect(await claimed(1)).toBeNull();
  });

  it('gives each job once to concurrent claimers, and all of them', async () => {
    const asked: JobId[] = [];
    for (let n = 0; n < 24; n++) asked.push(await jobOn(n % PARTITIONS));
    const got = (await Promise.all(Array.from({ length: 30 }, (_, n) => claimed(n % PARTITIONS)))).filter(
      (id) => id !== null,
    );
    for (let id = await claimed(0); id !== null; id = await claimed(0)) got.push(id);
    expect(got.toSorted()).toEqual(asked.toSorted());
  });

  it('looks no further than the oldest 256', async () => {
    for (let n = 0; n < 256; n++) await jobOn(0);
    const far = await jobOn(1);
    expect(await claimed(1)).not.toBe(far);
    expect(await claimed(1)).toBe(far);
  });
});

describe('the oldest job', () => {
  it(`is claimed after at most ${IN_A_ROW} younger ones, however many there are on preferred partitions`, async () => {
    const old = [await jobOn(0), await jobOn(0)];
    for (let n = 0; n < 4 * IN_A_ROW; n++) await jobOn(1);
    const gathering = new Gathering();
    const order: (string | undefined)[] = [];
    for (let n = 0; n < 3 * (IN_A_ROW + 1); n++) {
      const claim = await jobs.claim({
        ...by(),
        ...gathering.preference({ partitions: PARTITIONS, now: [1] }, []),
      });
      order.push(claim?.job.id);
    }
    expect(old.map((id) => order.indexOf(id))).toEqual([IN_A_ROW, 2 * IN_A_ROW + 1]);
  });
});

describe('a job of an instance that wrote no hash', () => {
  it('is claimed in the order of its age', async () => {
    const [a, b] = [await jobOn(1), await jobOn(1)];
    await database.query('UPDATE replay_jobs SET key_hash = NULL WHERE id = ?', [BigInt(a)]);
    expect(await claimed(1)).toBe(b);
    expect(await claimed(1)).toBe(a);
  });
});
