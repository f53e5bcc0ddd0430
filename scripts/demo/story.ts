// The log of the demo: one hour of several webhooks. Ours was down from `fromMs` to `toMs`; what it missed is
// what the replay must bring, no more. Duplicates, events exactly on both edges, and a neighbour's flood on the
// same partition are part of it.

import { createHash } from 'node:crypto';
import type { LogRecord } from '../../test/support/log-writer.ts';

export interface Story {
  readonly fromMs: number;
  readonly toMs: number;
  readonly records: readonly LogRecord[];
  /** Event ids that the receiver missed, each once. */
  readonly missed: ReadonlySet<string>;
  readonly duplicates: number;
  readonly neighbours: number;
}

const MINUTE_MS = 60_000;
const NEIGHBOURS_PER_EVENT = 4;
const DUPLICATE_EVERY = 10;

/**
 * `missedCount` events between the edges; `key` is our webhook's, `others` share `partition` with it. `noiseBytes` of
 * each event do not compress.
 */
export function tell(
  key: string,
  partition: number,
  others: readonly string[],
  missedCount: number,
  nowMs: number,
  noiseBytes = 0,
): Story {
  const fromMs = Math.floor((nowMs - 70 * MINUTE_MS) / MINUTE_MS) * MINUTE_MS;
  const toMs = fromMs + 40 * MINUTE_MS;
  // The same for each copy of an event.
  const text = (id: string): string =>
    noiseBytes === 0
      ? 'x'.repeat(200)
      : createHash('shake256', { outputLength: noiseBytes }).update(id).digest('hex');
  const records: LogRecord[] = [];
  const missed = new Set<string>();
  const ours = (eventId: string, timestampMs: number): void => {
    const value = JSON.stringify({ for_user_id: key, event: eventId, text: text(eventId) });
    records.push({ key, value, timestampMs, eventId, partition });
  };
  const miss = (eventId: string, timestampMs: number): void => {
    missed.add(eventId);
    ours(eventId, timestampMs);
  };
  let neighbours = 0;
  let duplicates = 0;
  ours('before-the-edge', fromMs - 1);
  miss('on-the-lower-edge', fromMs);
  const step = (toMs - fromMs - 2) / missedCount;
  for (let i = 0; i < missedCount - 2; i++) {
    const timestampMs = Math.floor(fromMs + 1 + i * step);
    miss(`event-${i}`, timestampMs);
    if (i % DUPLICATE_EVERY === 0) {
      duplicates++;
      ours(`event-${i}`, timestampMs);
    }
    for (let n = 0; n < NEIGHBOURS_PER_EVENT; n++) {
      const other = others[neighbours++ % others.length] ?? 'neighbour';
      const value = JSON.stringify({ for_user_id: other, event: neighbours, text: text(String(neighbours)) });
      records.push({ key: other, value, timestampMs, eventId: `foreign-${neighbours}`, partition });
    }
  }
  miss('last-inside', toMs - 1);
  ours('on-the-upper-edge', toMs);
  ours('after-the-edge', toMs + 1);
  return { fromMs, toMs, records, missed, duplicates, neighbours };
}
