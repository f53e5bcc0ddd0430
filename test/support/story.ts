// A log of one webhook, an hour ago: events over ten minutes, each tenth twice, an event just outside of both
// edges, and an event of somebody else on the same partition beside each.

import { randomBytes } from 'node:crypto';
import type { LogRecord } from './log-writer.ts';

/** What a replay of [fromMs, toMs) owes to the webhook. */
export interface Story {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ids: readonly string[];
}

export interface Telling {
  readonly key: string;
  readonly partition: number;
  readonly count: number;
  /** Begins the event ids. */
  readonly name: string;
  /** Values are longer by so many bytes, which do not compress. */
  readonly padding: number;
}

/** One for all stories of a process: two told around the turn of a second would have different ranges. */
const FROM_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;

export function storyOf({ key, partition, count, name, padding }: Telling): {
  readonly story: Story;
  readonly records: readonly LogRecord[];
} {
  const fromMs = FROM_MS;
  const toMs = fromMs + 600_000;
  const records: LogRecord[] = [];
  const ids: string[] = [];
  const put = (recordKey: string, eventId: string, timestampMs: number): void => {
    const noise = randomBytes(padding / 2).toString('hex');
    const value = `{"event":"${eventId}","noise":"${noise}"}`;
    records.push({ key: recordKey, value, timestampMs, eventId, partition });
  };
  put(key, `${name}-before`, fromMs - 1);
  for (let index = 0; index < count; index++) {
    const timestampMs = fromMs + Math.floor((index * (toMs - fromMs)) / count);
    const id = `${name}-${index}`;
    ids.push(id);
    put(key, id, timestampMs);
    if (index % 10 === 0) put(key, id, timestampMs);
    put('somebody-else', `foreign-${name}-${index}`, timestampMs);
  }
  put(key, `${name}-after`, toMs);
  return { story: { fromMs, toMs, ids }, records };
}
