// A connection is given back only when nothing is in flight on it.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import { FetchAhead } from '../../../src/kafka/reading/fetch-ahead.ts';
import { SameLog } from '../../../src/kafka/reading/same-log.ts';
import type { FetchResponse } from '../../../src/kafka/fetch-protocol.ts';
import { FakeBroker, response } from './fake-broker.ts';

const MIB = 1024 * 1024;
const pin = { source: asSourceName('dc1/log'), topic: 'log', partition: 0, start: 0, end: null, first: null };

function slow() {
  const answers: PromiseWithResolvers<FetchResponse>[] = [];
  const broker = new FakeBroker(() => {
    const answer = Promise.withResolvers<FetchResponse>();
    answers.push(answer);
    return answer.promise;
  });
  return { answers, broker, fetches: new FetchAhead(broker.connections, pin, new SameLog(pin), 1024) };
}

test('a release in the middle of a fetch waits for its answer', async () => {
  const { answers, broker, fetches } = slow();
  const asking = fetches.fetch(0);
  await setImmediate();
  fetches.release();
  await setImmediate();
  expect(broker.fates).toEqual([]);
  answers[0]?.resolve(response());
  await asking;
  await setImmediate();
  expect(broker.fates).toEqual(['given']);
});

test('so it does when the fetch follows one that was asked ahead in vain', async () => {
  const { answers, broker, fetches } = slow();
  fetches.ahead(5);
  const asking = fetches.fetch(0);
  await setImmediate();
  answers[0]?.resolve(response());
  await setImmediate();
  fetches.release();
  await setImmediate();
  expect(broker.asked).toEqual([5, 0]);
  expect(broker.fates).toEqual([]);
  answers[1]?.resolve(response());
  await asking;
  await setImmediate();
  expect(broker.fates).toEqual(['given']);
});

test('a release in the middle of a fetch that fails throws the connection away', async () => {
  const { answers, broker, fetches } = slow();
  const asking = fetches.fetch(0);
  await setImmediate();
  fetches.release();
  answers[0]?.reject(new Error('closed'));
  await expect(asking).rejects.toThrow('closed');
  await setImmediate();
  expect(broker.fates).toEqual(['discarded']);
});

test('fetches begin small, double up to the most, and grow beyond it where nothing fits', async () => {
  const sizes: number[] = [];
  const broker = new FakeBroker(({ maxBytes }) => {
    sizes.push(maxBytes);
    return response();
  });
  const fetches = new FetchAhead(broker.connections, pin, new SameLog(pin), MIB);
  for (let n = 0; n < 6; n++) await fetches.fetch(n);
  expect(sizes).toEqual([MIB / 16, MIB / 8, MIB / 4, MIB / 2, MIB, MIB]);
  expect(fetches.grow()).toBe(true);
  await fetches.fetch(6);
  expect(sizes.at(-1)).toBe(2 * MIB);
});

test('no fetch is larger than the most', async () => {
  const sizes: number[] = [];
  const broker = new FakeBroker(({ maxBytes }) => {
    sizes.push(maxBytes);
    return response();
  });
  const fetches = new FetchAhead(broker.connections, pin, new SameLog(pin), 1000);
  for (let n = 0; n < 2; n++) await fetches.fetch(n);
  expect(sizes).toEqual([1000, 1000]);
});
