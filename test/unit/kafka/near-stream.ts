// Streams of the shared reading in this thread, without a scan thread between: for brokers that a test answers for.

import type { EventBatch, LogStream, StreamRequest } from '../../../src/domain/log.ts';
import type { Emit } from '../../../src/domain/signals.ts';
import { unpack } from '../../../src/kafka/reading/packed-batch.ts';
import { Readings } from '../../../src/kafka/reading/readings.ts';
import { abortError } from '../../../src/kafka/retrying.ts';
import type { FakeBroker } from './fake-broker.ts';

interface Options {
  readonly disorderSlackMs: number;
  readonly openTransactionWaitMs?: number;
  readonly fetchMaxBytes?: number;
  readonly waitingEvents?: number;
  readonly emit?: Emit;
}

/** Streams that may read together. */
export class NearReadings {
  readonly #readings: Readings;
  readonly #disorderSlackMs: number;

  constructor(broker: FakeBroker, options: Options) {
    const { disorderSlackMs, emit = () => undefined, ...rest } = options;
    this.#disorderSlackMs = disorderSlackMs;
    const reader = { openTransactionWaitMs: 10_000, fetchMaxBytes: 1_048_576, ...rest };
    this.#readings = new Readings(() => broker.connections, reader, emit);
  }

  stream(request: StreamRequest, signal: AbortSignal = new AbortController().signal): LogStream {
    const { pin, end, mustReach, onWait, ...rest } = request;
    const asked = {
      ...rest,
      pin,
      end: end(),
      mustReach: mustReach?.() ?? 0,
      disorderSlackMs: this.#disorderSlackMs,
    };
    const member = this.#readings.open(asked, {
      wait: (wait) => onWait?.(wait),
      gap: () => undefined,
    });
    const close = (): void => this.#readings.close(member);
    signal.addEventListener('abort', close, { once: true });
    return {
      next: async (): Promise<EventBatch> => {
        if (signal.aborted) throw abortError(signal);
        return unpack(await member.ask(end(), mustReach?.() ?? 0), pin.source, pin.partition);
      },
      close: () => {
        close();
        return Promise.resolve();
      },
    };
  }
}
