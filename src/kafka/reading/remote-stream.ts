// A stream as its owner sees it, while a scan thread reads for it: asks for a batch when it is asked for one, and
// gives it out as events. Refuses to hold anything: what waits, waits in the scan thread within its bounds.

import type { EventBatch, LogStream, StreamRequest } from '../../domain/log.ts';
import { RepriseError } from '../../domain/errors.ts';
import type { ErrorCode } from '../../domain/errors.ts';
import type { Emit } from '../../domain/signals.ts';
import { abortError } from '../retrying.ts';
import type { FromThread, ToThread } from './messages.ts';
import { unpack } from './packed-batch.ts';

type Told = Extract<FromThread, { readonly id: number }>;

export class RemoteStream implements LogStream {
  readonly #id: number;
  readonly #request: StreamRequest;
  readonly #say: (message: ToThread) => void;
  readonly #emit: Emit;
  readonly #signal: AbortSignal;
  readonly #onClose: () => void;
  readonly #onAbort = (): void => this.#stop(abortError(this.#signal));
  #waiting: PromiseWithResolvers<EventBatch> | null = null;
  /** Why there is nothing more; null while there is. */
  #over: Error | null = null;

  /** `onClose` is called once, when nothing more can come. */
  constructor(
    id: number,
    request: StreamRequest,
    say: (message: ToThread) => void,
    emit: Emit,
    signal: AbortSignal,
    onClose: () => void,
  ) {
    this.#id = id;
    this.#request = request;
    this.#say = say;
    this.#emit = emit;
    this.#signal = signal;
    this.#onClose = onClose;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  next(): Promise<EventBatch> {
    if (this.#over) return Promise.reject(this.#over);
    const { end, mustReach } = this.#request;
    this.#waiting = Promise.withResolvers();
    this.#say({ type: 'ask', id: this.#id, end: end(), mustReach: mustReach?.() ?? 0 });
    return this.#waiting.promise;
  }

  close(): Promise<void> {
    this.#stop(new DOMException('reading was stopped', 'AbortError'));
    return Promise.resolve();
  }

  /** What the scan thread says of this stream. */
  told(message: Told): void {
    if (this.#over) return;
    switch (message.type) {
      case 'batch': {
        const { source, partition } = this.#request.pin;
        const batch = unpack(message.batch, source, partition);
        const waiting = this.#waiting;
        this.#waiting = null;
        if (batch.done) this.#stop(new RepriseError('internal', 'the stream has ended'));
        waiting?.resolve(batch);
        return;
      }
      case 'wait':
        this.#request.onWait?.(message.wait);
        return;
      case 'gap':
        this.#emit('read.gap', message.gap);
        return;
      case 'failed':
        this.#stop(errorOf(message.code, message.detail));
    }
  }

  /** The thread is gone; whoever reads may begin again. */
  lost(why: string): void {
    this.#stop(new Error(`the scan thread ended: ${why}`));
  }

  #stop(why: Error): void {
    if (this.#over) return;
    this.#over = why;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#waiting?.reject(why);
    this.#waiting = null;
    this.#say({ type: 'close', id: this.#id });
    this.#onClose();
  }
}

/** A RepriseError again: what no retry mends. Anything else ends this owner's run only. */
function errorOf(code: ErrorCode | null, detail: string): Error {
  return code === null ? new Error(detail) : new RepriseError(code, detail);
}
