// Ids. Webhooks, jobs and groups carry decimal strings below 2^63 (X's clients parse them as int64; JavaScript's
// numbers lose digits, so they stay strings everywhere). An id is 41 bits of milliseconds since 2020 and
// 22 random bits: sortable by time of birth, and never a small number that a team's own log already uses as
// a record key (a webhook's default key is its id, so a counter could hand out somebody else's key).

import { randomInt } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type JobId = Branded<'JobId'>;
export type WebhookId = Branded<'WebhookId'>;
export type PlanId = Branded<'PlanId'>;
export type GroupId = Branded<'GroupId'>;
export type TenantId = Branded<'TenantId'>;
/** One running process, e.g. `host-4711-k3v9`. A restart is another instance. */
export type InstanceId = Branded<'InstanceId'>;
/** `site/topic`: one topic of one data centre's cluster. */
export type SourceName = Branded<'SourceName'>;

const EPOCH_MS = Date.UTC(2020, 0, 1);
const RANDOM_BITS = 22n;
const MAX_ID = 2n ** 63n - 1n;

/** A fresh id for `nowMs` (milliseconds since 1970). Unique by a UNIQUE key; retry on the rare collision. */
export function newId(nowMs: number): string {
  const time = BigInt(Math.max(0, nowMs - EPOCH_MS));
  return ((time << RANDOM_BITS) | BigInt(randomInt(2 ** Number(RANDOM_BITS)))).toString();
}

/** Ids of jobs that were born at `ms` or later are at least this, those born before are below. */
export function firstIdAt(ms: number): string {
  const first = BigInt(Math.max(0, ms - EPOCH_MS)) << RANDOM_BITS;
  return (first > MAX_ID ? MAX_ID : first).toString();
}

/** When an id was drawn (ms since 1970). */
export const birthOf = (id: string): number => Number(BigInt(id) >> RANDOM_BITS) + EPOCH_MS;

/** Whether `text` is a decimal id below 2^63 without leading zeros. */
export function isId(text: string): boolean {
  return /^(0|[1-9]\d{0,18})$/.test(text) && BigInt(text) <= MAX_ID;
}

export const asJobId = (id: string): JobId => id as JobId;
export const asPlanId = (id: string): PlanId => id as PlanId;
export const asWebhookId = (id: string): WebhookId => id as WebhookId;
export const asGroupId = (id: string): GroupId => id as GroupId;
export const asTenantId = (id: string): TenantId => id as TenantId;
export const asInstanceId = (id: string): InstanceId => id as InstanceId;
export const sourceName = (site: string, topic: string): SourceName => `${site}/${topic}` as SourceName;
export const siteOf = (source: SourceName): string => source.slice(0, source.indexOf('/'));
/** A source name that was read back from the database or a fact. */
export const asSourceName = (name: string): SourceName => name as SourceName;

/**
 * The second reading of a source, beside the first: the pieces that a remainder takes up (domain/undone). It has a
 * cut of its own; `#` is in no site's and no topic's name.
 */
export const againOf = (source: SourceName): SourceName => `${source}#again` as SourceName;
/** The source of the log that a reading of it, first or second, belongs to. */
export const logSourceOf = (name: SourceName): SourceName => name.replace(/#again$/, '') as SourceName;

/** The tenant that the first admin key belongs to. */
export const DEFAULT_TENANT = asTenantId('default');
