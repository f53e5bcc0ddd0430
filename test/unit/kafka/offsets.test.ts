// What is said of a log whose end or beginning is not where it was expected.

import { expect, test } from 'vitest';
import { sourceName } from '../../../src/domain/ids.ts';
import { findPin, patientMarks } from '../../../src/kafka/offsets.ts';
import { FakeBroker, holding, response } from './fake-broker.ts';

const record = { key: 'w', value: 'x', timestampMs: 5 };

test('a watermark that lags is no other log: the mark is asked for again', async () => {
  let highWatermark = 3;
  const broker = new FakeBroker(() => holding(highWatermark, { baseOffset: 3, records: [record] }));
  const markAt = patientMarks();
  await expect(markAt(broker.connection, 'log', 0, 3)).rejects.toThrow('seems to end');
  highWatermark = 4;
  expect(await markAt(broker.connection, 'log', 0, 3)).toMatchObject({ offset: 3, maxTimestampMs: 5 });
});

test.each([
  ['below the offset', response({ highWatermark: 2 })],
  ['so that the offset is outside', response({ errorCode: 1, highWatermark: -1 })],
])('a log that ends %s for ten seconds is another one', async (_, answer) => {
  const broker = new FakeBroker(() => answer);
  let nowMs = 0;
  const markAt = patientMarks(() => nowMs);
  for (nowMs of [0, 5_000, 9_999]) {
    await expect(markAt(broker.connection, 'log', 0, 3)).rejects.toThrow('seems to end');
  }
  nowMs = 10_000;
  expect(await markAt(broker.connection, 'log', 0, 3)).toMatchObject({ offset: 3, crc: -1 });
});

const DAY = 86_400_000;
test.each([
  ['by time alone, and not the range', { 'retention.ms': `${5 * DAY}`, 'retention.bytes': '-1' }, null],
  ['by time, the range too', { 'retention.ms': `${DAY}`, 'retention.bytes': '-1' }, 'retention'],
  ['perhaps by size', { 'retention.ms': `${5 * DAY}`, 'retention.bytes': '1000' }, 'retention'],
  ['by hand: no retention does', { 'retention.ms': '-1', 'retention.bytes': '-1' }, 'retention'],
  ['nobody knows how: the settings are secret', {}, 'retention'],
])('an empty log whose records were deleted %s', async (_, settings, reason) => {
  const broker = new FakeBroker(() => response());
  broker.earliest = broker.latest = 7;
  for (const [name, value] of Object.entries(settings)) broker.settings.set(name, value);
  const place = { source: sourceName('a', 'log'), topic: 'log', partition: 0 };
  const { gap } = await findPin(broker.connection, place, Date.now() - 2 * DAY, true);
  expect(gap).toEqual(reason && { source: place.source, from: 0, to: 7, reason });
});
