// Decompression of one record batch: none, gzip, snappy (raw as KafkaJS and librdkafka write it, xerial framing
// as Java does), lz4 frames, zstd. Contents are partly hostile: a 5-byte snappy input can claim 2 GiB, so no
// codec may allocate more than MAX_DECODED; whatever is wrong ends as CodecError, never as a crash.

import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { free } from './free.ts';

/** Four times the largest batch that a sane broker accepts (message.max.bytes is 1 MiB by default). */
export const MAX_DECODED = 64 * 1024 * 1024;

const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export class CodecError extends Error {
  override readonly name = 'CodecError';
}

/** Whether the codec number of a batch's attributes is one that this reads. */
export function isKnownCodec(codec: number): boolean {
  return codec >= 0 && codec < CODEC_NAMES.length;
}

/** The records of a batch; throws CodecError when they cannot be had. */
export function decompress(codec: number, bytes: Buffer): Buffer {
  const name = CODEC_NAMES[codec];
  if (name === undefined) throw new CodecError(`unknown codec ${codec}`);
  try {
    switch (name) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, inOnePiece(bytes));
      case 'snappy':
        return isXerial(bytes) ? unsnapXerial(bytes) : unsnap(bytes);
      case 'lz4':
        return unlz4(bytes);
      case 'zstd':
        return zstdDecompressSync(bytes, inOnePiece(bytes));
    }
  } catch (error) {
    if (error instanceof CodecError) throw error;
    throw new CodecError(`${name} data cannot be read`, { cause: error });
  }
}

/** Node's zlib collects pieces of 16 KiB and joins them, which is the whole of it twice. */
function inOnePiece(bytes: Buffer): { readonly maxOutputLength: number; readonly chunkSize: number } {
  return { maxOutputLength: MAX_DECODED, chunkSize: Math.max(64 * 1024, bytes.length * 4) };
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** Magic, version and compatible version. */
const XERIAL_HEADER = 16;

function isXerial(bytes: Buffer): boolean {
  return bytes.length >= XERIAL_HEADER && XERIAL_MAGIC.compare(bytes, 0, 8) === 0;
}

/** The blocks are of 32 KiB; their lengths are known first, so that each is copied once. */
function unsnapXerial(bytes: Buffer): Buffer {
  const blocks: Buffer[] = [];
  let total = 0;
  for (let at = XERIAL_HEADER; at < bytes.length;) {
    if (at + 4 > bytes.length) throw new CodecError('cut xerial block');
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > bytes.length) throw new CodecError('xerial block length out of range');
    const block = bytes.subarray(at, at + length);
    total += claimedLength(block);
    blocks.push(block);
    at += length;
  }
  const [first] = blocks;
  if (blocks.length === 1 && first) return unsnap(first);
  if (total > MAX_DECODED) throw new CodecError('snappy claims too much');
  const decoded = Buffer.allocUnsafeSlow(total);
  let end = 0;
  for (const block of blocks) {
    const part = unsnap(block);
    end += part.copy(decoded, end);
    free(part);
  }
  if (end !== total) throw new CodecError('snappy is not as long as it claims');
  return decoded;
}

function unsnap(bytes: Buffer): Buffer {
  if (claimedLength(bytes) > MAX_DECODED) throw new CodecError('snappy claims too much');
  const decoded = snappy.uncompressSync(bytes);
  return typeof decoded === 'string' ? Buffer.from(decoded) : decoded;
}

/** The varint a raw snappy block begins with. */
function claimedLength(bytes: Buffer): number {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return length;
  }
  throw new CodecError('snappy length is cut');
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK_SIZES = [0, 0, 0, 0, 64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024];

/** lz4-napi has no output limit, so the frame's blocks are walked first: each can grow to its maximum only. */
function unlz4(bytes: Buffer): Buffer {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new CodecError('no lz4 frame');
  const flags = bytes.readUInt8(4);
  const blockSize = LZ4_BLOCK_SIZES[(bytes.readUInt8(5) >> 4) & 7] ?? 0;
  const blockChecksum = (flags & 0x10) !== 0 ? 4 : 0;
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  let bound = 0;
  for (;;) {
    if (at + 4 > bytes.length) throw new CodecError('cut lz4 frame');
    const size = bytes.readUInt32LE(at);
    if (size === 0) break;
    bound += blockSize;
    at += 4 + (size & 0x7fffffff) + blockChecksum;
    if (bound > MAX_DECODED + blockSize) throw new CodecError('lz4 claims too much');
  }
  return lz4.decompressFrameSync(bytes);
}
