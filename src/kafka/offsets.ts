// From times to offsets. The broker's lookup for `from` loses nothing: everything before its answer is older.
// A lookup for `to` would lose (later offsets may hold older records), so the end of a range is the high
// watermark and times are filtered while reading. All lookups see uncommitted records too, or everything behind
// an open transaction would look empty.

import type { BatchMark, Gap, Pin } from '../domain/job.ts';
import type { SourceName } from '../domain/ids.ts';
import { RepriseError } from '../domain/errors.ts';
import { batchAt, isHeader } from './batch-header.ts';
import { EARLIEST, LATEST } from './client.ts';
import type { KafkaConnection } from './client.ts';
import { ERROR_CODES, Refusal } from './error-codes.ts';
import { isThrottled } from './fetch-protocol.ts';

/** What `marks` says when the log ends before the pinned batch: no batch has it. */
const NO_SUCH_CRC = -1;
/** Longer than a new leader needs to learn the high watermark, or a deposed one to learn that it is. */
const PATIENCE_MS = 10_000;

export interface FoundPin {
  readonly pin: Pin;
  readonly records: number;
  readonly gap: Gap | null;
}

/** The piece of one partition from `fromMs` on. */
export async function findPin(
  connection: KafkaConnection,
  place: { source: SourceName; topic: string; partition: number },
  fromMs: number,
  pinEnd: boolean,
): Promise<FoundPin> {
  const { topic, partition } = place;
  // The watermark first: a record that arrives between the two questions must not be before the start.
  const { offset: watermark } = await connection.offsetAt(topic, partition, LATEST);
  const [{ offset: found }, { offset: earliest }] = await Promise.all([
    connection.offsetAt(topic, partition, Math.max(0, fromMs)),
    connection.offsetAt(topic, partition, EARLIEST),
  ]);
  const start = found === -1 ? watermark : found;
  const end = Math.max(watermark, start);
  const bare = { ...place, start, end: pinEnd ? end : null };
  const [first, gap] = await Promise.all([
    start < end ? markAt(connection, topic, partition, start) : null,
    retentionGap(connection, bare, earliest, fromMs),
  ]);
  if (first?.crc === NO_SUCH_CRC) throw new Error(`the log ends before offset ${start}, found a moment ago`);
  return { pin: { ...bare, first }, records: end - start, gap };
}

/**
 * `markAt` for a pin of long ago. After a change of the leader the log may seem to end too early for some
 * seconds, and the answer would fail the job for good: until they have passed that is an error to retry, with
 * fresh metadata. Keep the answer for all tries of one question.
 */
export function patientMarks(now: () => number = () => performance.now()): typeof markAt {
  const endedSince = new Map<string, number>();
  return async (connection, topic, partition, offset) => {
    const mark = await markAt(connection, topic, partition, offset);
    if (mark?.crc !== NO_SUCH_CRC) return mark;
    const place = `${topic}/${partition}`;
    const since = endedSince.get(place) ?? now();
    endedSince.set(place, since);
    if (now() - since >= PATIENCE_MS) return mark;
    throw new Error(`the log seems to end before offset ${offset}, which was pinned`);
  };
}

/**
 * The mark of the batch that holds `offset`; null when retention took it away. A log that ends before it
 * answers a mark that equals none.
 */
export async function markAt(
  connection: KafkaConnection,
  topic: string,
  partition: number,
  offset: number,
): Promise<BatchMark | null> {
  const response = await connection.fetch({
    topic,
    partition,
    offset,
    maxBytes: 1, // the first batch comes whole however large it is
    maxWaitMs: 0,
    isolation: 'uncommitted',
  });
  const replaced = { offset, crc: NO_SUCH_CRC, maxTimestampMs: NO_SUCH_CRC };
  if (response.errorCode === ERROR_CODES.offsetOutOfRange) {
    const { offset: earliest } = await connection.offsetAt(topic, partition, EARLIEST);
    return offset < earliest ? null : replaced;
  }
  // The connection itself keeps quiet for as long as the broker asked.
  if (isThrottled(response)) return await markAt(connection, topic, partition, offset);
  if (response.errorCode !== 0) throw new Refusal(response.errorCode);
  if (offset >= response.highWatermark) return replaced;
  const batch = batchAt(response.records, 0);
  response.release();
  if (!isHeader(batch)) return replaced;
  if (batch.logAppendTime) {
    throw new RepriseError('log_unusable', `topic ${topic} has message.timestamp.type=LogAppendTime`);
  }
  return { offset: batch.baseOffset, crc: batch.crc, maxTimestampMs: batch.maxTimestampMs };
}

/**
 * Whether records of the range may have been deleted before it was pinned. The first record that is left tells:
 * when it is older than `from`, everything from `from` on is still there. Else nobody can know what lay before,
 * so all of it is named: also when `from` lies within the retention time, where retention cannot have deleted
 * it. Deletion by hand can, and leaves no trace that tells it from retention (a log start at a batch's edge is
 * both's). So a partition that was silent for long may be called incomplete though it is not.
 */
export async function retentionGap(
  connection: KafkaConnection,
  pin: Omit<Pin, 'first'>,
  earliest: number,
  fromMs: number,
): Promise<Gap | null> {
  const { source, topic, partition, start } = pin;
  if (earliest === 0 || earliest > start) return null;
  const oldest = await connection.offsetAt(topic, partition, 0);
  const gap: Gap = { source, from: 0, to: start, reason: 'retention' };
  if (oldest.offset !== -1) return oldest.offset >= start && oldest.timestampMs > fromMs ? gap : null;
  // Nothing is left: where every quiet partition ends up, so only here the settings are trusted, when they say
  // that time alone deletes and that the range is younger. Not seen: all of it deleted by hand within that time.
  const settings = await connection.topicSettings(topic);
  const [retentionMs, retentionBytes] = ['retention.ms', 'retention.bytes'].map((name) => settings.get(name));
  const byTimeOnly = Number(retentionMs ?? -1) >= 0 && retentionBytes === '-1';
  return byTimeOnly && fromMs >= Date.now() - Number(retentionMs) ? null : gap;
}
