import { describe, expect, it } from 'vitest';
import { AbortedTransactions } from '../../../src/kafka/aborted.ts';

const data = (lastOffset: number, producerId: number) => ({
  lastOffset,
  producerId,
  transactional: true,
  abortMarker: false,
});
const plain = (lastOffset: number) => ({ ...data(lastOffset, -1), transactional: false });
const marker = (lastOffset: number, producerId: number) => ({
  ...data(lastOffset, producerId),
  abortMarker: true,
});

describe('AbortedTransactions', () => {
  it('voids a producer’s batches from its first offset to its abort marker', () => {
    const aborted = new AbortedTransactions([{ producerId: 7, firstOffset: 10 }]);
    expect(aborted.admits(data(9, 7))).toBe(true);
    expect(aborted.admits(data(10, 7))).toBe(false);
    expect(aborted.admits(data(15, 7))).toBe(false);
    aborted.admits(marker(16, 7));
    expect(aborted.admits(data(20, 7))).toBe(true);
  });

  it('leaves other producers and plain records alone', () => {
    const aborted = new AbortedTransactions([{ producerId: 7, firstOffset: 10 }]);
    expect(aborted.admits(data(12, 7))).toBe(false);
    expect(aborted.admits(data(13, 8))).toBe(true);
    expect(aborted.admits(plain(14))).toBe(true);
  });

  it('takes transactions in the order of the log, however the broker lists them', () => {
    const aborted = new AbortedTransactions([
      { producerId: 7, firstOffset: 30 },
      { producerId: 8, firstOffset: 12 },
      { producerId: 7, firstOffset: 10 },
    ]);
    expect(aborted.admits(data(11, 7))).toBe(false);
    expect(aborted.admits(data(12, 8))).toBe(false);
    aborted.admits(marker(13, 7));
    expect(aborted.admits(data(20, 7))).toBe(true);
    expect(aborted.admits(data(21, 8))).toBe(false);
    expect(aborted.admits(data(30, 7))).toBe(false);
  });

  it('voids a transaction that began before the response', () => {
    const aborted = new AbortedTransactions([{ producerId: 7, firstOffset: 3 }]);
    expect(aborted.admits(data(100, 7))).toBe(false);
  });
});
