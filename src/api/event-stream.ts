// One client that reads server-sent events (the HTML standard's text/event-stream) over one response.
// Owned here: the bytes of events, a comment when nothing was said for a while, and the end. Invariant: what waits in
// memory for a client is at most the socket's own buffer and one event; who does not read for `stallMs` is dropped,
// and goes on with Last-Event-ID when it reads again.

import type { ServerResponse } from 'node:http';

export interface EventStreamOptions {
  readonly headers: Readonly<Record<string, number | string | string[] | undefined>>;
  readonly heartbeatMs: number;
  readonly stallMs: number;
  /** There is room again after `isFull`. */
  readonly onRoom: () => void;
  readonly onDropped: () => void;
  /** Once, however it ended. */
  readonly onClosed: () => void;
}

/** How soon a client that was cut off asks again (ms). */
const RETRY_MS = 1_000;

/** `data` is JSON: no line break in it. */
export function eventText(event: string, data: string, id: number | null = null): string {
  return `event: ${event}\n${id === null ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #options: EventStreamOptions;
  readonly #alive: NodeJS.Timeout;
  #stalled: NodeJS.Timeout | null = null;
  #isOpen = true;

  /** Writes the head at once. */
  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.#response = response;
    this.#options = options;
    this.#alive = setInterval(() => this.write(':\n\n'), options.heartbeatMs);
    response.on('drain', () => this.#drained());
    response.on('error', () => undefined);
    response.once('close', () => this.#closed());
    response.writeHead(200, {
      ...options.headers,
      'content-type': 'text/event-stream; charset=utf-8',
      // A proxy that collects an answer before it passes it on would keep events back.
      'x-accel-buffering': 'no',
      // Its connection ends with it, so a stop of the server waits for nobody's next request.
      connection: 'close',
    });
    this.write(`retry: ${RETRY_MS}\n\n`);
    if (response.closed || response.destroyed) this.#closed();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What was written last is not read yet: ask again after `onRoom`. */
  get isFull(): boolean {
    return this.#response.writableNeedDrain;
  }

  /** Written whole, or not at all when the stream is full or over. */
  write(text: string): boolean {
    if (!this.#isOpen || this.isFull) return false;
    this.#alive.refresh();
    if (!this.#response.write(text)) this.#stalled ??= setTimeout(() => this.#drop(), this.#options.stallMs);
    return true;
  }

  /** The end, after a last event; a client that does not read is not waited for. */
  end(text = ''): void {
    if (!this.#isOpen) return;
    if (this.isFull) this.#response.destroy();
    else this.#response.end(text);
    this.#closed();
  }

  #drained(): void {
    if (this.#stalled) clearTimeout(this.#stalled);
    this.#stalled = null;
    if (this.#isOpen) this.#options.onRoom();
  }

  #drop(): void {
    this.#options.onDropped();
    this.#response.destroy();
    this.#closed();
  }

  #closed(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#alive);
    if (this.#stalled) clearTimeout(this.#stalled);
    this.#options.onClosed();
  }
}
