// The signals of a scan thread on their way to the main thread: what only counts is added up and sent some times a
// second, because a message per slice would cost more than the slice's own bookkeeping. The others go at once.

import type { Emit, SignalName, Signals } from '../../domain/signals.ts';

type Send = (name: SignalName, fields: Signals[SignalName]) => void;

const EVERY_MS = 100;
/** Bytes for the main thread after which it is told sooner: it sweeps its heap by them (src/heap.ts). */
const MANY_BYTES = 2 * 1024 * 1024;

interface Sum {
  fetched: number;
  records: number;
  matched: number;
  bytes: number;
  disorderMs: number;
}

export class SignalSum {
  readonly #send: Send;
  readonly #bySource = new Map<string, Sum>();
  #timer: NodeJS.Timeout | null = null;

  constructor(send: Send) {
    this.#send = send;
  }

  readonly add: Emit = (name, fields) => {
    if (name === 'read.fetched') {
      const { source, bytes } = fields as Signals['read.fetched'];
      this.#of(source).fetched += bytes;
    } else if (name === 'read.batch') {
      const { source, records, matched, bytes, disorderMs } = fields as Signals['read.batch'];
      const sum = this.#of(source);
      sum.records += records;
      sum.matched += matched;
      sum.bytes += bytes;
      sum.disorderMs = Math.max(sum.disorderMs, disorderMs);
      if (sum.bytes >= MANY_BYTES) this.flush();
    } else {
      this.flush();
      this.#send(name, fields);
    }
  };

  flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [source, { fetched, ...batch }] of this.#bySource) {
      if (fetched > 0) this.#send('read.fetched', { source, bytes: fetched });
      if (batch.records > 0) this.#send('read.batch', { source, ...batch });
    }
    this.#bySource.clear();
  }

  #of(source: string): Sum {
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
    let sum = this.#bySource.get(source);
    if (!sum)
      this.#bySource.set(source, (sum = { fetched: 0, records: 0, matched: 0, bytes: 0, disorderMs: 0 }));
    return sum;
  }
}
