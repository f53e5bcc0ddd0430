// A reader of server-sent events as the HTML standard describes it, on a socket of its own, so that a test can cut it
// off at any byte or leave it unread. What is not followed by an empty line when it is cut was never an event.

import { connect, type Socket } from 'node:net';
import { ADMIN_KEY } from './api-fixture.ts';

export interface Event {
  readonly type: string;
  readonly id: string | null;
  readonly data: Record<string, unknown>;
}

export class EventReader {
  readonly #socket: Socket;
  readonly events: Event[] = [];
  /** Comments that came. */
  comments = 0;
  status = 0;
  head = '';
  #raw = Buffer.alloc(0);
  #text = '';
  #bytes = 0;
  readonly closed: Promise<void>;

  /** `cutAfter`: bytes after which the socket is destroyed. */
  constructor(url: string, headers: Record<string, string> = {}, cutAfter = Infinity) {
    const { hostname, port, pathname, search } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    const lines = Object.entries({
      host: hostname,
      connection: 'close',
      authorization: `Bearer ${ADMIN_KEY}`,
      ...headers,
    });
    this.#socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    this.#socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('data', (chunk) => {
      const left = cutAfter - this.#bytes;
      this.#bytes += chunk.length;
      this.#take(chunk.subarray(0, left));
      if (this.#bytes >= cutAfter) this.#socket.destroy();
    });
  }

  get last(): string | null {
    return this.events.findLast(({ id }) => id !== null)?.id ?? null;
  }

  of(type: string): Event[] {
    return this.events.filter((event) => event.type === type);
  }

  stopReading(): void {
    this.#socket.pause();
  }

  goOn(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#raw = Buffer.concat([this.#raw, chunk]);
    if (this.status === 0) {
      const end = this.#raw.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#raw.subarray(0, end).toString().toLowerCase();
      this.status = Number(this.head.split(' ', 2)[1]);
      this.#raw = this.#raw.subarray(end + 4);
    }
    if (this.head.includes('transfer-encoding: chunked')) this.#unchunk();
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      this.#dispatch(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
    }
  }

  /** A part of a chunk is read too: that is where a cut may be. */
  #unchunk(): void {
    for (;;) {
      const line = this.#raw.indexOf('\r\n');
      const size = line < 0 ? NaN : parseInt(this.#raw.subarray(0, line).toString(), 16);
      if (!(this.#raw.length >= line + 2 + size + 2) || size === 0) return;
      this.#text += this.#raw.subarray(line + 2, line + 2 + size).toString();
      this.#raw = this.#raw.subarray(line + 2 + size + 2);
    }
  }

  #dispatch(block: string): void {
    const fields: Record<string, string> = {};
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === '') this.comments++;
      else fields[name] = value;
    }
    const { event, id = null, data } = fields;
    if (data === undefined) return;
    this.events.push({ type: event ?? 'message', id, data: JSON.parse(data) as Record<string, unknown> });
  }
}
