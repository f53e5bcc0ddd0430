// Writes record batches v2 for tests, by its own reading of the format: deliberately not KafkaJS' encoder, so
// that the scanner and what it is tested with do not share a mistake.

import { gzipSync, zstdCompressSync } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import lz4 from 'lz4-napi';
import snappy from 'snappy';

export interface TestRecord {
  readonly key: string | null;
  readonly value: Buffer | string | null;
  readonly timestampMs: number;
  readonly headers?: readonly (readonly [string, string | Buffer | null])[];
  /** Offset from the batch's base; its index when absent. */
  readonly delta?: number;
}

export type TestCodec = 'none' | 'gzip' | 'snappy' | 'xerial' | 'lz4' | 'lz4-sized' | 'zstd';

export interface TestBatch {
  readonly baseOffset: number;
  readonly records: readonly TestRecord[];
  readonly codec?: TestCodec;
  readonly codecNumber?: number;
  readonly producerId?: number;
  readonly transactional?: boolean;
  readonly control?: 'abort' | 'commit';
  readonly logAppendTime?: boolean;
  readonly magic?: number;
  readonly count?: number;
  readonly lastOffsetDelta?: number;
  readonly maxTimestampMs?: number;
}

const CODEC_NUMBERS = { none: 0, gzip: 1, snappy: 2, xerial: 2, lz4: 3, 'lz4-sized': 3, zstd: 4 } as const;

export function encodeBatches(...batches: readonly TestBatch[]): Buffer {
  return Buffer.concat(batches.map(encodeBatch));
}

export function encodeBatch(batch: TestBatch): Buffer {
  const { records } = batch;
  const base = records[0]?.timestampMs ?? batch.maxTimestampMs ?? 0;
  const body = batch.control
    ? encodeControl(batch.control)
    : Buffer.concat(records.map((record, index) => encodeRecord(record, index, base)));
  const codec = batch.codec ?? 'none';
  const payload = compress(codec, body);
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(batch.baseOffset), 0);
  head.writeInt32BE(49 + payload.length, 8);
  head.writeInt32BE(-1, 12);
  head.writeInt8(batch.magic ?? 2, 16);
  const attributes =
    (batch.codecNumber ?? CODEC_NUMBERS[codec]) |
    (batch.logAppendTime ? 8 : 0) |
    (batch.transactional || batch.control ? 16 : 0) |
    (batch.control ? 32 : 0);
  head.writeInt16BE(attributes, 21);
  const lastDelta = batch.lastOffsetDelta ?? records.at(-1)?.delta ?? Math.max(0, records.length - 1);
  head.writeInt32BE(lastDelta, 23);
  head.writeBigInt64BE(BigInt(base), 27);
  const max = batch.maxTimestampMs ?? Math.max(base, ...records.map((record) => record.timestampMs));
  head.writeBigInt64BE(BigInt(max), 35);
  head.writeBigInt64BE(BigInt(batch.producerId ?? -1), 43);
  head.writeInt16BE(0, 51);
  head.writeInt32BE(-1, 53);
  head.writeInt32BE(batch.count ?? (batch.control ? 1 : records.length), 57);
  const whole = Buffer.concat([head, payload]);
  whole.writeUInt32BE(crc32c(whole.subarray(21)), 17);
  return whole;
}

/** Makes the checksum right again after a test damaged what is below it. */
export function sign(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

export function compress(codec: TestCodec, body: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return body;
    case 'gzip':
      return gzipSync(body);
    case 'snappy':
      return snappy.compressSync(body);
    case 'xerial':
      return xerial(body);
    case 'lz4':
      return lz4.compressFrameSync(body);
    case 'lz4-sized':
      return lz4.compressFrameSync(body, { contentChecksum: true, blockChecksums: true });
    case 'zstd':
      return zstdCompressSync(body);
  }
}

function xerial(body: Buffer): Buffer {
  const parts: Buffer[] = [
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
  ];
  for (let at = 0; at < body.length; at += 32 * 1024) {
    const block = snappy.compressSync(body.subarray(at, at + 32 * 1024));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function encodeControl(type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  const value = Buffer.alloc(6);
  const body = Buffer.concat([Buffer.from([0]), varint(0), varint(0), sized(key), sized(value), varint(0)]);
  return Buffer.concat([varint(body.length), body]);
}

function encodeRecord(record: TestRecord, index: number, base: number): Buffer {
  const headers = record.headers ?? [];
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestampMs - base),
    varint(record.delta ?? index),
    sized(record.key),
    sized(record.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [sized(name), sized(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function sized(bytes: Buffer | string | null): Buffer {
  if (bytes === null) return varint(-1);
  const buffer = Buffer.from(bytes);
  return Buffer.concat([varint(buffer.length), buffer]);
}

function varint(value: number): Buffer {
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n;
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}
