// One partition of a log in memory that answers like a broker: whole batches from the one that holds the offset on,
// never past the last stable offset, with the aborted transactions that overlap the answer.

import type { Connections } from '../../../../src/kafka/connections.ts';
import { EARLIEST, LATEST } from '../../../../src/kafka/client.ts';
import type { KafkaConnection } from '../../../../src/kafka/client.ts';
import type { FetchRequest, FetchResponse } from '../../../../src/kafka/fetch-protocol.ts';
import { response } from '../fake-broker.ts';
import { encodeBatch } from '../record-batches.ts';
import type { TestBatch, TestRecord } from '../record-batches.ts';

interface Held {
  readonly batch: TestBatch;
  readonly last: number;
  readonly bytes: Buffer;
}

export class MemoryPartition {
  /** Offsets of fetches for more than one batch. */
  readonly fetched: number[] = [];
  readonly settings = new Map<string, string | null>();
  readonly #batches: Held[] = [];
  readonly #open = new Map<number, number>();
  readonly #aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = [];
  /** Of records that were sent. */
  bytes = 0;
  end = 0;
  logStart = 0;
  /** Runs once, behind the answer to a question for the watermark. */
  afterWatermark: (() => void) | null = null;
  /** Set: nothing can be asked. */
  away: Error | null = null;

  append(records: readonly TestRecord[], more: Omit<Partial<TestBatch>, 'records'> = {}): this {
    const batch = { baseOffset: this.end, records, ...more };
    if (batch.transactional && batch.producerId !== undefined && !this.#open.has(batch.producerId)) {
      this.#open.set(batch.producerId, this.end);
    }
    return this.#hold(batch, Math.max(1, records.length));
  }

  /** Ends the producer's transaction. */
  finish(producerId: number, control: 'abort' | 'commit'): this {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) throw new Error('no such transaction');
    if (control === 'abort') this.#aborted.push({ producerId, firstOffset, lastOffset: this.end });
    this.#open.delete(producerId);
    return this.#hold({ baseOffset: this.end, records: [], control, producerId, maxTimestampMs: 9e9 }, 1);
  }

  /** Damages the batch that holds the offset. */
  damage(offset: number): void {
    const held = this.#batches.find(({ last }) => last >= offset);
    const last = (held?.bytes.length ?? 0) - 1;
    held?.bytes.writeUInt8(held.bytes.readUInt8(last) ^ 1, last);
  }

  /** The log ends there now, as after an unclean election; the cut must be between batches. */
  truncate(offset: number): void {
    this.#batches.splice(this.#batches.findIndex(({ last }) => last >= offset));
    for (const [producerId, first] of this.#open) if (first >= offset) this.#open.delete(producerId);
    this.end = offset;
  }

  get lastStable(): number {
    return Math.min(this.end, ...this.#open.values());
  }

  /** All that a test needs of the connections of a site with only this. */
  get connections(): Pick<Connections, 'use'> {
    return {
      use: async (_topic, _from, work) => {
        if (this.away) throw this.away;
        return await work(this.#connection(), 1);
      },
    };
  }

  #connection(): KafkaConnection {
    const connection: Partial<KafkaConnection> = {
      fetch: (request) => Promise.resolve(this.#fetch(request)),
      offsetAt: (_topic, _partition, time) => Promise.resolve(this.#offsetAt(time)),
      topicSettings: () => Promise.resolve(this.settings),
    };
    return connection as KafkaConnection;
  }

  #hold(batch: TestBatch, offsets: number): this {
    const last = batch.baseOffset + offsets - 1;
    this.#batches.push({ batch, last, bytes: encodeBatch(batch) });
    this.end = last + 1;
    return this;
  }

  #offsetAt(time: number) {
    if (time === LATEST) {
      const watermark = this.end;
      this.afterWatermark?.();
      this.afterWatermark = null;
      return { offset: watermark, timestampMs: -1 };
    }
    if (time === EARLIEST) return { offset: this.logStart, timestampMs: -1 };
    const timesOf = ({ batch }: Held): number[] =>
      batch.control ? [batch.maxTimestampMs ?? 0] : batch.records.map(({ timestampMs }) => timestampMs);
    const held = this.#batches.find(
      (each) => each.last >= this.logStart && Math.max(-1, ...timesOf(each)) >= time,
    );
    const times = held ? timesOf(held) : [];
    const index = times.findIndex((ms) => ms >= time);
    if (!held || index === -1) return { offset: -1, timestampMs: -1 };
    return { offset: held.batch.baseOffset + index, timestampMs: times[index] ?? -1 };
  }

  #fetch({ offset, maxBytes }: FetchRequest): FetchResponse {
    if (maxBytes > 1) this.fetched.push(offset);
    const { end: highWatermark, lastStable: lastStableOffset } = this;
    if (offset < this.logStart || offset > this.end) return response({ errorCode: 1, highWatermark: -1 });
    const sent: Held[] = [];
    let bytes = 0;
    for (const held of this.#batches) {
      if (held.last < offset || held.last >= lastStableOffset) continue;
      if (sent.length > 0 && bytes + held.bytes.length > maxBytes) break;
      sent.push(held);
      bytes += held.bytes.length;
    }
    this.bytes += bytes;
    const upTo = sent.at(-1)?.last ?? -1;
    const aborted = this.#aborted.filter((one) => one.lastOffset >= offset && one.firstOffset <= upTo);
    const records = Buffer.concat(sent.map((held) => held.bytes));
    return response({ highWatermark, lastStableOffset, aborted, records });
  }
}
