// Events that come into the range late: produced after the call, or held back by a transaction. The end of the
// range is pinned only when it has settled, what is there already is delivered at once, and what nobody can
// wait for is named as a gap.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hangTransactionWithJava } from '../../scripts/stack/java-producer.ts';
import type { JobView } from '../../src/domain/store.ts';
import type { RawRecord } from '../support/kafka-log.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

/** Long enough for a busy machine to act within them; the tests run side by side. */
const SETTLE_MS = 6_000;
const OPEN_TRANSACTION_WAIT_MS = 6_000;
const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({
    partitions: 8,
    env: {
      REPRISE_SETTLE_MS: String(SETTLE_MS),
      REPRISE_OPEN_TRANSACTION_WAIT_MS: String(OPEN_TRANSACTION_WAIT_MS),
      REPRISE_HEARTBEAT_INTERVAL_MS: '200',
    },
  });
});
afterAll(() => stage.close());

/** An open transaction hides everything behind it, so each test has a partition of its own. */
let partitions = 0;
const listen = () => stage.listen({ key: keyIn(partitions++, stage.scene.partitions) });
const sorted = (texts: readonly string[]): string[] => [...texts].sort();
const write = (records: readonly RawRecord[]) => stage.log.write(stage.scene.topic, records);
const begin = (id: string, records: readonly RawRecord[]) =>
  stage.log.begin(stage.scene.topic, `${stage.scene.topic}-${id}`, records);
const record = ({ key }: Listener, value: string, timestampMs = FROM): RawRecord => ({
  key,
  value,
  timestampMs,
});
const waitsFor = (word: string) => (job: JobView) => job.heartbeat?.waiting?.includes(word) ?? false;

describe.concurrent('a range that ends now', () => {
  test('brings what is there at once, and what is produced into it within the settle time', async () => {
    const listener = await listen();
    const { receiver } = listener;
    await write([record(listener, 'there already', Date.now() - 30_000)]);
    const toMs = Date.now();
    const id = await listener.request({ fromMs: toMs - 60_000, toMs });
    await receiver.waitFor(({ accepted }) => accepted === 1);
    const shown = await stage.instance.call('GET', `/v1/replays/${id}`);
    expect(shown.body).toMatchObject({
      state: 'ONGOING',
      waitingUntil: new Date(toMs + SETTLE_MS).toISOString(),
      pins: [{ end: null }],
    });
    expect(Date.now()).toBeLessThan(toMs + SETTLE_MS);
    await write([
      record(listener, 'late', toMs - 1),
      record(listener, 'too late', toMs),
      record(listener, 'very late', toMs - 59_999),
    ]);
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(sorted(listener.bodies)).toEqual(['late', 'there already', 'very late']);
    expect(job).toMatchObject({ outcome: 'complete', waitingUntilMs: null });
    expect(job.updatedAtMs).toBeGreaterThanOrEqual(toMs + SETTLE_MS);
    expect(await stage.scene.facts(id)).toEqual([
      'REQUESTED',
      'CLAIMED',
      'OFFSETS_RESOLVED',
      'ENDS_PINNED',
      'DRAINED',
    ]);
  });

  test('is waited for even while the log holds nothing of it', async () => {
    const listener = await listen();
    const toMs = Date.now();
    const id = await listener.request({ fromMs: toMs - 60_000, toMs });
    const waiting = await stage.scene.until(id, ({ state }) => state === 'ONGOING');
    expect(waiting.waitingUntilMs).toBe(toMs + SETTLE_MS);
    await write([record(listener, 'late', toMs - 500)]);
    // It says why nothing moves: the end of the log, or the age of the range, whichever came first.
    const told = await stage.scene.until(id, (job) => waitsFor('')(job) || job.state !== 'ONGOING');
    expect(told.state).toBe('ONGOING');
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(listener.bodies).toEqual(['late']);
    expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 1, delivered: 1 } });
  });
});

describe.concurrent('a transaction', () => {
  test('that is open delays the replay; committed meanwhile, nothing is missing', async () => {
    const listener = await listen();
    await write([record(listener, 'before')]);
    const transaction = await begin('commits', [record(listener, 'in the transaction')]);
    await write([record(listener, 'behind')]);
    const id = await listener.request(RANGE);
    // What was read before the transaction is delivered while the reading waits for it.
    await stage.scene.until(id, (job) => waitsFor('open_transaction')(job) && job.counts.delivered === 1);
    expect(listener.bodies).toEqual(['before']);
    await transaction.commit();
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(sorted(listener.bodies)).toEqual(['before', 'behind', 'in the transaction']);
    expect(job).toMatchObject({ outcome: 'complete', gaps: [] });
  });

  test('that is open delays the replay; aborted meanwhile, its events are none', async () => {
    const listener = await listen();
    const transaction = await begin('aborts', [record(listener, 'in the transaction')]);
    await write([record(listener, 'behind')]);
    const id = await listener.request(RANGE);
    await stage.scene.until(id, waitsFor('open_transaction'));
    await transaction.abort();
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(listener.bodies).toEqual(['behind']);
    expect(job).toMatchObject({ outcome: 'complete', gaps: [], counts: { matched: 1, delivered: 1 } });
  });

  test('that nobody ends is a named gap after the wait, and the outcome says incomplete', async () => {
    const listener = await listen();
    const { key, partition } = listener;
    await write([record(listener, 'before')]);
    const target = {
      brokers: process.env['REPRISE_TEST_BROKERS'] ?? '',
      topic: stage.scene.topic,
      id: `${stage.scene.topic}-hangs`,
    };
    const hanging = await hangTransactionWithJava(target, [{ key, value: 'hidden', timestampMs: FROM }]);
    await write([record(listener, 'behind')]);
    const job = await listener.replayed(RANGE);
    await hanging.kill();
    expect(listener.bodies).toEqual(['before']);
    const source = `dc1/${stage.scene.topic}`;
    expect(job).toMatchObject({
      partition,
      outcome: 'incomplete',
      gaps: [{ source, from: 1, to: 3, reason: 'open_transaction' }],
      counts: { matched: 1, delivered: 1 },
    });
    expect(job.updatedAtMs - job.createdAtMs).toBeGreaterThanOrEqual(OPEN_TRANSACTION_WAIT_MS);
  });

  test('that was aborted is not delivered, one beside it that was committed is', async () => {
    const listener = await listen();
    const aborted = await begin('one', [record(listener, 'aborted 1'), record(listener, 'aborted 2')]);
    const committed = await begin('two', [record(listener, 'committed 1')]);
    await write([record(listener, 'between')]);
    await aborted.abort();
    await write([record(listener, 'between, too')]);
    await committed.commit();
    const again = await begin('one', [record(listener, 'aborted 1')]);
    await again.commit();
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.bodies)).toEqual(['aborted 1', 'between', 'between, too', 'committed 1']);
    expect(job).toMatchObject({ outcome: 'complete', gaps: [], counts: { matched: 4, duplicates: 0 } });
  });
});
