// The reader against a broker that is over its quota, and where a bounded scan may stop.

import { expect, test } from 'vitest';
import type { LogStream, ReadWait, StreamRequest } from '../../../src/domain/log.ts';
import { decodeFetch } from '../../../src/kafka/fetch-protocol.ts';
import type { TestBatch } from './record-batches.ts';
import { FakeBroker, asked, holding, response } from './fake-broker.ts';
import { NearReadings } from './near-stream.ts';

const SLACK = 100;
const never = new AbortController().signal;
const open = (request: StreamRequest, broker: FakeBroker, signal = never): LogStream =>
  new NearReadings(broker, { disorderSlackMs: SLACK }).stream(request, signal);

const event = (baseOffset: number, timestampMs = 5, count = 1): TestBatch => ({
  baseOffset,
  records: Array.from({ length: count }, () => ({ key: 'w', value: 'x', timestampMs })),
});

/** As Kafka 4 answers over a quota: throttle time, no error, no session, no topics. */
function overQuota(ms: number): Buffer {
  const body = Buffer.alloc(14);
  body.writeInt32BE(ms, 0);
  return body;
}

test('a quota is waited out on the same connection, however often, and is no stall', async () => {
  let left = 25;
  const broker = new FakeBroker(() => (left-- > 0 ? decodeFetch(overQuota(2)) : holding(1, event(0))));
  const waits: (string | null)[] = [];
  const onWait = (wait: ReadWait | null): void => void waits.push(wait?.detail ?? null);
  const batch = await open(asked(1, { onWait }), broker).next();
  expect(batch).toMatchObject({ events: [{ offset: 0 }], gaps: [], done: true });
  expect(waits).toEqual(["throttled by the broker's quota", null]);
  expect(broker.asked).toHaveLength(26);
  expect(broker.fates).not.toContain('discarded');
});

test('a wait for the quota gives way to an abort', async () => {
  const broker = new FakeBroker(() => decodeFetch(overQuota(60_000)));
  const stop = new AbortController();
  const reading = open(asked(1, { onWait: () => stop.abort() }), broker, stop.signal).next();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
});

test('a wait says what it is about now, and since when there is one', async () => {
  const codes = [3, 3, 29];
  const broker = new FakeBroker(() => {
    const errorCode = codes.shift();
    return errorCode === undefined ? holding(1, event(0)) : response({ errorCode });
  });
  const waits: (ReadWait | null)[] = [];
  await open(asked(1, { onWait: (wait) => void waits.push(wait) }), broker).next();
  expect(waits.map((wait) => wait?.detail.replace(/ \(.*/, ''))).toEqual([
    'the topic or partition is unknown',
    'reading the topic is not allowed',
    undefined,
  ]);
  expect(waits[1]?.sinceMs).toBe(waits[0]?.sinceMs);
});

test('each response is released when it was read, and nothing is read of it afterwards', async () => {
  const END = 5;
  let [answered, released] = [0, 0];
  const broker = new FakeBroker(({ offset }) => {
    answered++;
    // Half of the answers bring nothing.
    const given = answered % 2 === 0 ? holding(END, event(offset)) : response({ errorCode: 3 });
    const release = (): void => {
      released++;
      given.records.fill(0xff);
    };
    return { ...given, release };
  });
  const stream = open(asked(END), broker);
  const values: string[] = [];
  let isDone = false;
  while (!isDone) {
    const batch = await stream.next();
    values.push(...batch.events.map(({ offset, value }) => `${offset} ${String(value)}`));
    expect(batch.gaps).toEqual([]);
    isDone = batch.done;
  }
  expect(values).toEqual(['0 x', '1 x', '2 x', '3 x', '4 x']);
  // An early release and the one at the end are the same to a real response.
  expect(released).toBeGreaterThanOrEqual(answered);
});

test('a bounded scan does not stop before what an earlier reading has passed', async () => {
  // Each answer is a whole window past `to`.
  const PER_BATCH = 160;
  const PER_FETCH = 64 * PER_BATCH;
  const broker = new FakeBroker(({ offset }) =>
    holding(
      10 * PER_FETCH,
      ...Array.from({ length: 64 }, (_, i) => event(offset + i * PER_BATCH, 1_001 + SLACK, PER_BATCH)),
    ),
  );
  const lastOf = async (more: Partial<StreamRequest>): Promise<number> => {
    const stream = open(asked(10 * PER_FETCH, more), broker);
    for (;;) {
      const batch = await stream.next();
      if (batch.done) return batch.next;
    }
  };
  expect(await lastOf({})).toBe(PER_FETCH);
  const last = await lastOf({ mustReach: () => 2 * PER_FETCH + 1 });
  expect(last).toBeGreaterThan(2 * PER_FETCH);
  expect(last).toBeLessThanOrEqual(3 * PER_FETCH);
});
