import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, MAX_DECODED, decompress } from '../../../src/kafka/codecs.ts';
import { compress } from './record-batches.ts';

const NUMBERS = { none: 0, gzip: 1, snappy: 2, xerial: 2, lz4: 3, 'lz4-sized': 3, zstd: 4 } as const;
const CODECS = Object.keys(NUMBERS) as (keyof typeof NUMBERS)[];
const COMPRESSED = CODECS.filter((codec) => codec !== 'none');

describe('decompress', () => {
  it.each(CODECS)('reads what %s wrote', (codec) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100_000 }), (bytes) => {
        const body = Buffer.from(bytes);
        expect(decompress(NUMBERS[codec], compress(codec, body)).equals(body)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it.each(COMPRESSED)('ends %s garbage as a CodecError or as some bytes, never otherwise', (codec) => {
    const good = compress(codec, Buffer.from('an event and another event and an event '.repeat(50)));
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (at, flip, cut) => {
          const bad = Buffer.from(cut ? good.subarray(0, at) : good);
          if (!cut) bad.writeUInt8(bad.readUInt8(at) ^ flip, at);
          try {
            expect(decompress(NUMBERS[codec], bad).length).toBeLessThanOrEqual(MAX_DECODED + 4 * 1024 * 1024);
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses five bytes of snappy that claim 4 GiB', () => {
    expect(() => decompress(2, Buffer.from('ffffffff0f00', 'hex'))).toThrow(CodecError);
  });

  it.each(['gzip', 'snappy', 'xerial', 'lz4', 'zstd'] as const)('refuses a %s bomb', (codec) => {
    const bomb = compress(codec, Buffer.alloc(MAX_DECODED + 8 * 1024 * 1024));
    expect(() => decompress(NUMBERS[codec], bomb)).toThrow(CodecError);
  });

  it('refuses an unknown codec', () => {
    expect(() => decompress(5, Buffer.alloc(10))).toThrow(CodecError);
  });
});
