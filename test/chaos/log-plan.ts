// Makes up the log of a run and its ledger, out of the seed alone. Pure.
//
// The log tells 40 minutes, which ended 20 minutes ago. A record lies at a place in the log (`placeMs`) behind its
// timestamp: events come late by up to a minute, copies by up to 2.5 minutes, in either topic, so both topics
// are out of order within the slack that the instances are told.

import { createHash } from 'node:crypto';
import type { JavaRecord } from '../../scripts/stack/java-producer.ts';
import type { LedgerEvent, LedgerRecord, LedgerWebhook } from './ledger.ts';
import type { Random } from './random.ts';

export const SPAN_MS = 40 * 60_000;
/** Above the latest copy. */
export const SLACK_MS = 180_000;
const LATE_MS = 60_000;
const COPY_LATE_MS = 150_000;

export interface PlannedRecord {
  readonly placeMs: number;
  /** Index of the topic, or of the site whose topic it is. */
  readonly topic: number;
  readonly record: JavaRecord;
}

export interface PlannedWebhook {
  readonly id: string;
  readonly key: string;
  readonly concurrency: number;
}

export interface LogPlan {
  readonly records: readonly PlannedRecord[];
  readonly webhooks: readonly LedgerWebhook[];
}

export interface PlanOptions {
  readonly webhooks: readonly PlannedWebhook[];
  readonly fromMs: number;
  readonly eventsEach: number;
  /** Where copies go: their share, how many of all records go to the second place, and how far their times differ. */
  readonly spread: Spread;
}

export interface Spread {
  readonly copied: number;
  readonly second: number;
  readonly skewMs: number;
}

/** Two topics of one site. */
export const IN_TOPICS: Spread = { copied: 0.25, second: 0.3, skewMs: 0 };
/** Two sites, each with a topic: half of the events are written to both or twice, each time with a clock of its own. */
export const AT_SITES: Spread = { copied: 0.5, second: 0.5, skewMs: 40 };

export function planLog(random: Random, { webhooks, fromMs, eventsEach, spread }: PlanOptions): LogPlan {
  const records: PlannedRecord[] = [];
  const put = (
    atMs: number,
    lateMs: number,
    topic: number,
    record: Omit<JavaRecord, 'timestampMs'>,
  ): void => {
    records.push({ placeMs: atMs + lateMs, topic, record: { ...record, timestampMs: atMs } });
  };
  const told = webhooks.map(({ id, key, concurrency }, index) => {
    const events = new Map<string, LedgerEvent>();
    for (let count = 0; count < eventsEach; count++) {
      const atMs = fromMs + Math.floor(((count + random.next()) * SPAN_MS) / eventsEach);
      const named = random.chance(0.8);
      const name = `w${index}-e${count}`;
      const value = valueOf(random, key, name);
      const headers = named ? { headers: { 'event-id': name } } : {};
      const eventId = named ? name : `v_${createHash('sha256').update(value).digest('base64url')}`;
      const copies = 1 + (random.chance(spread.copied) ? random.int(1, 2) : 0);
      const written: LedgerRecord[] = [];
      for (let copy = 0; copy < copies; copy++) {
        const lateMs = random.int(0, copy === 0 ? LATE_MS : COPY_LATE_MS);
        const place = random.chance(spread.second) ? 1 : 0;
        const skewMs = copy === 0 || spread.skewMs === 0 ? 0 : random.int(0, spread.skewMs);
        put(atMs + skewMs, lateMs, place, { key, value, ...headers });
        written.push({ place, atMs: atMs + skewMs, ackedMs: 0 });
      }
      events.set(eventId, { id: eventId, atMs, sha256: sha256Of(value), records: written });
      tempt(random, put, { key, atMs, name, others: webhooks });
    }
    return { id, key, concurrency, events: [...events.values()].sort((a, b) => a.atMs - b.atMs) };
  });
  return { records: records.sort((a, b) => a.placeMs - b.placeMs), webhooks: told };
}

type Put = (atMs: number, lateMs: number, topic: number, record: Omit<JavaRecord, 'timestampMs'>) => void;

/** Beside the event: what must never be delivered to its webhook. */
function tempt(
  random: Random,
  put: Put,
  at: {
    readonly key: string;
    readonly atMs: number;
    readonly name: string;
    readonly others: readonly PlannedWebhook[];
  },
): void {
  const { key, atMs, name } = at;
  const topic = random.int(0, 1);
  const lateMs = random.int(0, LATE_MS);
  // Nobody's: a key like ours, and the same event id.
  if (random.chance(0.5)) {
    const foreign = random.pick([`${key}0`, key.slice(0, -1), key.toUpperCase(), 'somebody']);
    const headers = { 'event-id': random.chance(0.5) ? name : `foreign-${name}` };
    put(atMs, lateMs, topic, { key: foreign, value: valueOf(random, foreign, name), headers });
  }
  if (random.chance(0.02)) put(atMs, lateMs, topic, { key, value: null });
  if (random.chance(0.02)) put(atMs, lateMs, topic, { key: null, value: `no key, ${name}` });
}

export function valueOf(random: Random, key: string, name: string): string {
  const text = random.next().toString(36).slice(2).repeat(random.int(1, 30));
  return JSON.stringify({ for_user_id: key, event: name, text });
}

export const sha256Of = (value: string): string => createHash('sha256').update(value).digest('hex');
