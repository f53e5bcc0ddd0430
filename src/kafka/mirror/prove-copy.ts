// Whether one partition of a mirrored topic has everything that its upstream had. The end of the copy may be pinned
// only then, or a replay would end complete without the events that the mirror had not brought yet.
//
//   upstream's high watermark, once  ->  its last new record below (last-record)  ->  seen in the copy?  ->  copy's end
//
// The watermark is taken at the first poll and kept: with a new one each time a busy log would always be a little
// ahead. So is the record, so that the upstream may go away once it was asked. The end is asked after the record was
// seen. Nothing of the range in the upstream at all: then the copy lacks nothing, whatever else it holds.
//
// Refuses: asking too early (the caller asks at or after `to` + settle), waiting, and rejecting for anything but an
// abort: whatever fails is a state.

import { sourceName } from '../../domain/ids.ts';
import { messageOf } from '../../domain/errors.ts';
import { EARLIEST, LATEST } from '../client.ts';
import type { KafkaConnection } from '../client.ts';
import type { Connections, TakeFrom } from '../connections.ts';
import { ERROR_CODES, Refusal } from '../error-codes.ts';
import { retentionGap } from '../offsets.ts';
import { abortError, untilAborted } from '../retrying.ts';
import { CopySearch } from './copy-search.ts';
import { newestTime } from './newest-time.ts';
import { findLastRecord } from './last-record.ts';
import type { LastRecord } from './last-record.ts';
import { Unreadable } from './upstream-tail.ts';

/** One site's topic, and the way to a connection there. */
export interface MirrorEnd {
  readonly site: string;
  readonly connections: Pick<Connections, 'use'>;
  readonly topic: string;
}

export interface Mirror {
  readonly upstream: MirrorEnd;
  readonly copy: MirrorEnd;
  /** The same number on both sides. */
  readonly partition: number;
}

export type CopyState =
  /** Everything is there, below `end`. */
  | { readonly state: 'seen'; readonly end: number; readonly why: string }
  /** Not yet. `lagMs`: by how much the newest record of the copy is older than the wanted one, where known. */
  | { readonly state: 'behind'; readonly lagMs: number | null; readonly why: string }
  /** Nobody can know yet what the upstream has up to the watermark. */
  | { readonly state: 'open_transaction'; readonly lastStable: number; readonly why: string }
  /** Nobody will know: asking again does not help. */
  | { readonly state: 'unknown'; readonly why: string }
  | { readonly state: 'upstream_unreachable'; readonly why: string }
  | { readonly state: 'copy_unreachable'; readonly why: string };

/** What was learnt of the upstream for good. */
type Demand =
  | { readonly demand: 'record'; readonly search: CopySearch; readonly timestampMs: number }
  | { readonly demand: 'nothing'; readonly why: string };

/** One look. */
export async function proveCopy(mirror: Mirror, fromMs: number, signal: AbortSignal): Promise<CopyState> {
  return await new CopyProver(mirror, fromMs).poll(signal);
}

export class CopyProver {
  readonly #mirror: Mirror;
  readonly #fromMs: number;
  #watermark: number | null = null;
  #demand: Demand | null = null;
  readonly #failed = { upstream: false, copy: false };

  /** `fromMs`: where the range begins. */
  constructor(mirror: Mirror, fromMs: number) {
    this.#mirror = mirror;
    this.#fromMs = fromMs;
  }

  /** Rejects with AbortError only. One call at a time. */
  async poll(signal: AbortSignal): Promise<CopyState> {
    if (this.#demand === null) {
      const asked = await this.#asking('upstream', signal, (connection) => this.#ask(connection, signal));
      if ('state' in asked) return asked;
      this.#demand = asked;
    }
    const demand = this.#demand;
    return await this.#asking('copy', signal, (connection) => this.#look(connection, demand, signal));
  }

  async #ask(connection: KafkaConnection, signal: AbortSignal): Promise<Demand | CopyState> {
    const { upstream, partition } = this.#mirror;
    const { topic } = upstream;
    const { offset: watermark } = await connection.offsetAt(topic, partition, LATEST);
    // A smaller one than before: the log was cut off or is another one, and what it has now is what can be proven.
    this.#watermark = Math.min(this.#watermark ?? watermark, watermark);
    const end = this.#watermark;
    const { offset: found } = await connection.offsetAt(topic, partition, Math.max(0, this.#fromMs));
    if (found === -1 || found >= end) return await this.#nothing(connection, end);
    const last = await findLastRecord(connection, { topic, partition }, end, signal);
    if (last.found === 'none') return await this.#nothing(connection, found);
    return this.#demandOf(last);
  }

  #demandOf(last: Exclude<LastRecord, { found: 'none' }>): Demand | CopyState {
    switch (last.found) {
      case 'unknown':
        return { state: 'unknown', why: last.why };
      case 'open_transaction': {
        const { lastStable } = last;
        const why = `a transaction is open in the upstream from offset ${lastStable} on`;
        return { state: 'open_transaction', lastStable, why };
      }
      case 'record': {
        const { copy, partition } = this.#mirror;
        const search = new CopySearch({ topic: copy.topic, partition }, last);
        return { demand: 'record', search, timestampMs: last.timestampMs };
      }
    }
  }

  /** The upstream has nothing of the range from `start` on; whether it ever had is retention's question. */
  async #nothing(connection: KafkaConnection, start: number): Promise<Demand | CopyState> {
    const { upstream, partition } = this.#mirror;
    const { site, topic } = upstream;
    const { offset: earliest } = await connection.offsetAt(topic, partition, EARLIEST);
    const pin = {
      source: sourceName(site, topic),
      topic,
      partition,
      start: Math.max(start, earliest),
      end: null,
    };
    const gap = await retentionGap(connection, pin, earliest, this.#fromMs);
    if (gap === null) return { demand: 'nothing', why: 'the upstream has no record of the range' };
    return { state: 'unknown', why: `retention may have taken records of the range from ${gap.source}` };
  }

  async #look(connection: KafkaConnection, demand: Demand, signal: AbortSignal): Promise<CopyState> {
    const { copy, partition } = this.#mirror;
    const place = { topic: copy.topic, partition };
    if (demand.demand === 'record' && !(await demand.search.poll(connection, signal))) {
      const newestMs = await newestTime(connection, place);
      const lagMs = newestMs === null ? null : Math.max(0, demand.timestampMs - newestMs);
      const wanted = new Date(demand.timestampMs).toISOString();
      return { state: 'behind', lagMs, why: `the upstream’s last record (${wanted}) is not in the copy yet` };
    }
    const { offset: end } = await connection.offsetAt(copy.topic, partition, LATEST);
    const why = demand.demand === 'nothing' ? demand.why : 'the upstream’s last record is in the copy';
    return { state: 'seen', end, why };
  }

  async #asking<T>(
    side: 'upstream' | 'copy',
    signal: AbortSignal,
    work: (connection: KafkaConnection) => Promise<T>,
  ): Promise<T | CopyState> {
    const { connections, topic } = this.#mirror[side];
    const from: TakeFrom = this.#failed[side] ? 'after_failure' : 'idle';
    try {
      const result = await untilAborted(connections.use(topic, from, work), signal);
      this.#failed[side] = false;
      return result;
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      this.#failed[side] = true;
      const why = messageOf(error);
      if (error instanceof Unreadable) return { state: 'unknown', why: `upstream: ${why}` };
      // The watermark lies behind the log's end: it is another log now.
      if (side === 'upstream' && isOutside(error)) this.#watermark = null;
      return side === 'upstream'
        ? { state: 'upstream_unreachable', why }
        : { state: 'copy_unreachable', why };
    }
  }
}

const isOutside = (error: unknown): boolean =>
  error instanceof Refusal && error.code === ERROR_CODES.offsetOutOfRange;
