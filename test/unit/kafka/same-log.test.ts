// When a reading must prove that its log is still the pinned one, and what it says when it is not.

import { expect, test } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import { batchAt, isHeader } from '../../../src/kafka/batch-header.ts';
import { SILENCE_MS, SameLog } from '../../../src/kafka/reading/same-log.ts';
import { FakeBroker, holding, response } from './fake-broker.ts';

const holdingAt3 = (value: string) =>
  holding(9, { baseOffset: 3, records: [{ key: 'w', value, timestampMs: 5 }] });

/** A reading of a log whose pinned batch is the one with `a`. */
function reading() {
  let answer = holdingAt3('a');
  const broker = new FakeBroker(() => answer);
  const header = batchAt(answer.records, 0);
  if (!isHeader(header)) throw new Error('no batch');
  const first = { offset: 3, crc: header.crc, maxTimestampMs: header.maxTimestampMs };
  const pin = { source: asSourceName('dc1/log'), topic: 'log', partition: 0, start: 3, end: 9, first };
  let nowMs = 0;
  const sameLog = new SameLog(pin, () => nowMs);
  return {
    sameLog,
    broker,
    /** Offsets that were looked at. */
    looked: broker.asked,
    becomes: (other: typeof answer) => void (answer = other),
    fetched: async (afterMs: number, tookMs = 0): Promise<void> => {
      nowMs += afterMs;
      sameLog.asking();
      nowMs += tookMs;
      await sameLog.answered(broker.connection);
    },
  };
}
const REPLACED = { code: 'log_replaced' };

test('fetches that follow each other closely need no proof, however long they take', async () => {
  const { fetched, looked } = reading();
  for (const afterMs of [0, 1, SILENCE_MS]) await fetched(afterMs, 10 * SILENCE_MS);
  expect(looked).toEqual([]);
});

test('after a silence one is due, and only one', async () => {
  const { fetched, looked, becomes } = reading();
  await fetched(SILENCE_MS + 1);
  await fetched(1);
  expect(looked).toEqual([3]);
  becomes(holdingAt3('b'));
  await expect(fetched(SILENCE_MS + 1)).rejects.toMatchObject(REPLACED);
});

test('after a failure it stays due until there was one', async () => {
  const { fetched, looked, becomes, sameLog } = reading();
  sameLog.failed();
  becomes(response({ errorCode: 5 }));
  await expect(fetched(1)).rejects.toThrow('no leader');
  becomes(holdingAt3('a'));
  await fetched(1);
  await fetched(1);
  expect(looked).toEqual([3, 3]);
});

test('a log that ends before the pinned batch is another one only after the patience of a new leader', async () => {
  const { fetched, becomes, sameLog } = reading();
  sameLog.failed();
  becomes(response({ highWatermark: 2 }));
  await expect(fetched(1)).rejects.toThrow('seems to end');
  await expect(fetched(9_999)).rejects.toThrow('seems to end');
  await expect(fetched(1)).rejects.toMatchObject(REPLACED);
});

test('a pinned batch that retention took away makes no other log', async () => {
  const { fetched, becomes, sameLog, broker, looked } = reading();
  sameLog.failed();
  broker.earliest = 4;
  becomes(response({ errorCode: 1 }));
  await fetched(1);
  await fetched(1);
  expect(looked).toEqual([3]);
});
