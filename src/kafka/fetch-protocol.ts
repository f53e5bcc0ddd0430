// Fetch, version 11, for one partition: the bytes asked and the bytes answered. Own because KafkaJS decodes
// every record into objects, checks no CRC and never ends on a batch that compaction emptied. Version 11 is what
// Kafka 2.3 to 4.x speak and carries every codec; sessions and follower reads are not used.

import type { AbortedTransaction } from './aborted.ts';
import { readInt64, writeInt64 } from './int64.ts';

export const FETCH_KEY = 1;
export const FETCH_VERSION = 11;

export interface FetchRequest {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** `committed` ends at the last stable offset. */
  readonly isolation: 'committed' | 'uncommitted';
}

export interface FetchResponse {
  /** Kafka's error code; 0 = fine, -1 also when the response holds no answer for the partition. */
  readonly errorCode: number;
  /** How long the broker's quota asks this client to be quiet (KIP-219: told at once); 0 = it does not. */
  readonly throttleMs: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Whole batches and perhaps a cut one; a view of the response's own memory. Throws once that was released. */
  readonly records: Buffer;
  /** When the records were read: their memory is the next response's then. Without it V8 frees it, later. */
  release(): void;
}

export function encodeFetch(request: FetchRequest): Buffer {
  const topic = Buffer.from(request.topic, 'utf8');
  const bytes = Buffer.alloc(25 + 4 + 2 + topic.length + 4 + 28 + 4 + 2);
  let at = 0;
  const int32 = (value: number): void => void (at = bytes.writeInt32BE(value, at));
  int32(-1); // replica id: a consumer
  int32(request.maxWaitMs);
  int32(1); // min bytes
  int32(request.maxBytes);
  at = bytes.writeInt8(request.isolation === 'committed' ? 1 : 0, at);
  int32(0); // no fetch session
  int32(-1);
  int32(1); // one topic
  at = bytes.writeInt16BE(topic.length, at);
  at += topic.copy(bytes, at);
  int32(1); // one partition
  int32(request.partition);
  int32(-1); // leader epoch unknown
  writeInt64(bytes, request.offset, at);
  writeInt64(bytes, -1, at + 8);
  at += 16;
  int32(request.maxBytes);
  int32(0); // nothing forgotten
  bytes.writeInt16BE(0, at); // no rack
  return bytes;
}

const nothingToRelease = (): void => undefined;

/** `body` begins behind the correlation id. Throws RangeError when it is no such response. */
export function decodeFetch(body: Buffer, release: () => void = nothingToRelease): FetchResponse {
  let at = 0;
  const int16 = (): number => body.readInt16BE((at += 2) - 2);
  const int32 = (): number => body.readInt32BE((at += 4) - 4);
  const int64 = (): number => readInt64(body, (at += 8) - 8);
  const throttleMs = int32();
  const sessionError = int16();
  int32();
  // Over its quota a broker answers without any topic, and without an error.
  if (sessionError !== 0 || int32() !== 1) return failed(sessionError || -1, throttleMs);
  const nameLength = int16(); // not `at += int16()`: that reads `at` before int16 moves it
  at += nameLength;
  if (int32() !== 1) return failed(-1, throttleMs);
  int32(); // partition
  const errorCode = int16();
  const highWatermark = int64();
  const lastStableOffset = int64();
  const logStartOffset = int64();
  const aborted: AbortedTransaction[] = [];
  for (let count = int32(); count > 0; count--) aborted.push({ producerId: int64(), firstOffset: int64() });
  int32(); // preferred read replica
  const length = Math.max(0, int32());
  if (at + length > body.length) throw new RangeError('records are longer than the response');
  const records = body.subarray(at, at + length);
  const head = { errorCode, throttleMs, highWatermark, lastStableOffset, logStartOffset, aborted };
  return withRecords(head, records, release);
}

function withRecords(
  head: Omit<FetchResponse, 'records' | 'release'>,
  records: Buffer,
  release: () => void,
): FetchResponse {
  let isReleased = false;
  return {
    ...head,
    get records() {
      if (isReleased) throw new Error('the response was released');
      return records;
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      release();
    },
  };
}

/** Whether the broker kept the records back for its quota. Errors with a code of their own come first. */
export function isThrottled({ errorCode, throttleMs, records }: FetchResponse): boolean {
  return throttleMs > 0 && records.length === 0 && errorCode <= 0;
}

function failed(errorCode: number, throttleMs: number): FetchResponse {
  return {
    errorCode,
    throttleMs,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    aborted: [],
    records: Buffer.alloc(0),
    release: nothingToRelease,
  };
}
