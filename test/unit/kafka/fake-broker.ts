// A broker that answers what a test says, for what no real one does on demand: quotas, watermarks that lag.

import type { Connections } from '../../../src/kafka/connections.ts';
import { EARLIEST, LATEST } from '../../../src/kafka/client.ts';
import type { KafkaConnection } from '../../../src/kafka/client.ts';
import type { FetchRequest, FetchResponse } from '../../../src/kafka/fetch-protocol.ts';
import type { RangeRequest, StreamRequest } from '../../../src/domain/log.ts';
import { sourceName } from '../../../src/domain/ids.ts';
import { encodeBatches } from './record-batches.ts';
import type { TestBatch } from './record-batches.ts';

type Answer = (request: FetchRequest) => FetchResponse | Promise<FetchResponse>;

export class FakeBroker {
  readonly connections: Connections;
  /** The connection takers get; there is only the one. */
  readonly connection: KafkaConnection;
  readonly settings = new Map<string, string | null>();
  readonly asked: number[] = [];
  /** What became of taken connections. */
  readonly fates: ('given' | 'discarded')[] = [];
  earliest = 0;
  latest = 0;

  constructor(answer: Answer) {
    const connection: Partial<KafkaConnection> = {
      open: () => Promise.resolve(1),
      fetch: async (request) => {
        this.asked.push(request.offset);
        return await answer(request);
      },
      offsetAt: (_topic, _partition, time) => Promise.resolve(this.#offsetAt(time)),
      topicSettings: () => Promise.resolve(this.settings),
    };
    this.connection = connection as KafkaConnection;
    const connections: Partial<Connections> = {
      take: () => this.connection,
      give: () => void this.fates.push('given'),
      discard: () => void this.fates.push('discarded'),
    };
    this.connections = connections as Connections;
  }

  #offsetAt(time: number) {
    if (time === LATEST) return { offset: this.latest, timestampMs: -1 };
    if (time === EARLIEST) return { offset: this.earliest, timestampMs: -1 };
    return { offset: -1, timestampMs: -1 };
  }
}

export function response(fields: Partial<FetchResponse> = {}): FetchResponse {
  return {
    errorCode: 0,
    throttleMs: 0,
    highWatermark: 0,
    lastStableOffset: fields.highWatermark ?? 0,
    logStartOffset: 0,
    aborted: [],
    records: Buffer.alloc(0),
    release: () => undefined,
    ...fields,
  };
}

export const holding = (highWatermark: number, ...batches: readonly TestBatch[]): FetchResponse =>
  response({ highWatermark, records: encodeBatches(...batches) });

const source = sourceName('a', 'log');
export const range: RangeRequest = { key: 'w', fromMs: 0, toMs: 1_000, identity: 'value', scan: 'bounded' };
export const asked = (end: number | null, more: Partial<StreamRequest> = {}): StreamRequest => ({
  ...range,
  pin: { source, topic: 'log', partition: 0, start: 0, end, first: null },
  start: 0,
  end: () => end,
  ...more,
});
