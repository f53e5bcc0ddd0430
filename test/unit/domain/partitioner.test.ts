import { describe, expect, it } from 'vitest';
import { murmur2, partitionOf } from '../../../src/domain/partitioner.ts';

describe('murmur2', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %j is what Kafka’s own tests expect', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it('takes the UTF-8 bytes of a key', () => {
    expect(partitionOf('schlüssel', 1_000_003)).toBe(
      (murmur2(Buffer.from('schlüssel', 'utf8')) & 0x7fffffff) % 1_000_003,
    );
  });

  it('never answers a partition that is not there', () => {
    for (let i = 0; i < 1000; i++) {
      const partition = partitionOf(`key-${i}`, 7);
      expect(partition).toBeGreaterThanOrEqual(0);
      expect(partition).toBeLessThan(7);
    }
  });
});
