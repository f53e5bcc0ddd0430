// The scan threads of this process. All streams of one partition are read by one thread, because only there they
// can be read together; a partition that nobody reads may go to another thread next time.
// A thread that dies (which no broker and no record may cause) takes its streams with it: they reject with an
// error that is not for good, their jobs are claimed again, and the next stream starts a new thread.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { logSourceOf } from '../../domain/ids.ts';
import type { LogStream, StreamRequest } from '../../domain/log.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Emit } from '../../domain/signals.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { RemoteStream } from './remote-stream.ts';

const MOST_THREADS = 4;
/** How long a thread may take to close its connections. */
const END_MS = 2_000;

/** One for the loop that delivers. */
export const defaultThreads = (): number => Math.min(MOST_THREADS, Math.max(1, availableParallelism() - 1));

export interface ScanThreadsOptions extends ThreadData {
  readonly threads: number;
  readonly disorderSlackMs: number;
}

export class ScanThreads {
  readonly #options: ScanThreadsOptions;
  readonly #emit: Emit;
  readonly #threads: (ScanThread | null)[];
  /** Partition -> its thread, and how many streams it has there. */
  readonly #places = new Map<
    string,
    { readonly partition: number; readonly thread: number; streams: number }
  >();
  #lastId = 0;
  #isClosed = false;

  constructor(options: ScanThreadsOptions, emit: Emit) {
    this.#options = options;
    this.#emit = emit;
    this.#threads = Array.from({ length: options.threads }, () => null);
  }

  stream(request: StreamRequest, signal: AbortSignal): LogStream {
    const { end, mustReach, onWait: _, ...rest } = request;
    const { disorderSlackMs } = this.#options;
    const name = `${logSourceOf(rest.pin.source)}/${rest.pin.partition}`;
    const place = this.#places.get(name) ?? {
      partition: rest.pin.partition,
      thread: this.#idlest(),
      streams: 0,
    };
    place.streams++;
    this.#places.set(name, place);
    const thread = this.#thread(place.thread);
    const id = ++this.#lastId;
    thread.say({
      type: 'open',
      id,
      request: { ...rest, end: end(), mustReach: mustReach?.() ?? 0, disorderSlackMs },
    });
    const stream = new RemoteStream(id, request, thread.say, this.#emit, signal, () => {
      thread.remove(id);
      if (--place.streams === 0) this.#places.delete(name);
    });
    if (!signal.aborted) thread.add(id, stream);
    return stream;
  }

  /** Those that are being read, each once. */
  get partitions(): readonly number[] {
    return [...new Set([...this.#places.values()].map(({ partition }) => partition))];
  }

  /** Starts the threads and lets them connect. */
  warm(site: string): void {
    for (let n = 0; n < this.#threads.length; n++) this.#thread(n).say({ type: 'warm', site });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread?.end() ?? Promise.resolve()));
  }

  #thread(n: number): ScanThread {
    if (this.#isClosed) throw new Error('the delivery log is closed');
    const thread = this.#threads[n];
    if (thread?.isAlive) return thread;
    const { sites, options } = this.#options;
    const fresh = new ScanThread({ sites, options }, this.#emit);
    this.#threads[n] = fresh;
    return fresh;
  }

  #idlest(): number {
    const loads = this.#threads.map((thread) => thread?.load ?? 0);
    return loads.indexOf(Math.min(...loads));
  }
}

class ScanThread {
  readonly #streams = new Map<number, RemoteStream>();
  readonly #worker: Worker;
  readonly #emit: Emit;
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers();
  #why = 'it was stopped';
  isAlive = true;

  constructor(data: ThreadData, emit: Emit) {
    this.#emit = emit;
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), { name: 'scan', workerData: data });
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => this.#heard(message));
    this.#worker.on('error', (error) => {
      this.#why = messageOf(error);
      emit('read.thread_lost', { error: this.#why });
    });
    this.#worker.on('exit', () => {
      this.isAlive = false;
      for (const stream of [...this.#streams.values()]) stream.lost(this.#why);
      this.#ended.resolve();
    });
  }

  get load(): number {
    return this.#streams.size;
  }

  /** The process lives as long as somebody reads. */
  add(id: number, stream: RemoteStream): void {
    this.#streams.set(id, stream);
    this.#worker.ref();
  }

  remove(id: number): void {
    this.#streams.delete(id);
    if (this.#streams.size === 0) this.#worker.unref();
  }

  readonly say = (message: ToThread): void => {
    if (this.isAlive) this.#worker.postMessage(message);
  };

  async end(): Promise<void> {
    this.say({ type: 'end' });
    const late = setTimeout(() => void this.#worker.terminate(), END_MS);
    if (this.isAlive) await this.#ended.promise;
    clearTimeout(late);
  }

  #heard(message: FromThread): void {
    // The name and the fields of one message belong together, which its type does not say.
    if (message.type === 'signal') this.#emit(message.name, message.fields);
    else this.#streams.get(message.id)?.told(message);
  }
}
