// One place for a socket: dials when it must, writes one request, reads its answer, and keeps the socket for the next.
// Own HTTP/1.1 over node:net and no undici Client: that took 18 us of user time per request beyond what a bare socket
// takes, for a queue, pipelining and upgrades that are not used here (npm run bench -- deliver: client, raw).
// Invariants: one request at a time; its bytes are written once and whole, in the step in which the exchange says
// that it may be; a socket is used again only when all of the request has left and the answer's end was beyond doubt
// (response.ts); bytes that nobody asked for cost the socket.

import type { Socket } from 'node:net';
import type { Dial } from './connector.ts';
import { incoming } from './connector.ts';
import type { Exchange, Line } from './exchange.ts';
import type { RequestHead } from './request-head.ts';
import { BROKEN, DROPPED, LAST, MORE, ResponseReader } from './response.ts';

/** Below the 5 s of Node's and most other servers: whoever closes an idle socket first should be us. */
export const KEEP_ALIVE_MS = 4_000;
/** A receiver that says how long it keeps a socket is believed less this. */
const KEEP_ALIVE_MARGIN_MS = 1_000;
/** Larger bodies are written where they lie, behind their head, instead of being copied into one buffer with it. */
const SMALL_BYTES = 8 * 1_024;
/** A request of 1 KB with its head fits; made larger when one does not. */
const FIRST_BYTES = 2 * 1_024;
const NOTHING = Buffer.alloc(0);

class ProtocolError extends Error {}

/** Closed by the receiver. */
class ClosedError extends Error {
  readonly code = 'ECONNRESET';
}

export class SocketLine implements Line {
  readonly #url: URL;
  readonly #head: RequestHead;
  readonly #dial: Dial;
  readonly #onFree: (line: SocketLine) => void;
  readonly #reader = new ResponseReader();
  #socket: Socket | null = null;
  #exchange: Exchange | null = null;
  #cancelDial: (() => void) | null = null;
  #used = false;
  /** When an idle socket is not to be used any more, of performance.now(). */
  #expiresMs = 0;
  /** Head and body of a small request; not touched while a byte of it waits to be written. */
  #out = NOTHING;

  constructor(url: URL, head: RequestHead, dial: Dial, onFree: (line: SocketLine) => void) {
    this.#url = url;
    this.#head = head;
    this.#dial = dial;
    this.#onFree = onFree;
  }

  get isUsed(): boolean {
    return this.#used;
  }

  dispatch(exchange: Exchange, nowMs: number): void {
    this.#exchange = exchange;
    if (this.#socket !== null && nowMs >= this.#expiresMs) this.#drop();
    if (this.#socket === null) this.#connect();
    else this.#write(this.#socket, exchange);
  }

  breakOff(): void {
    this.#exchange = null;
    this.#drop();
  }

  release(answered: boolean): void {
    if (answered) this.#used = true;
    this.#onFree(this);
  }

  /** Closes an idle socket whose time is over. */
  expire(nowMs: number): void {
    if (nowMs >= this.#expiresMs) this.#drop();
  }

  end(): Promise<void> {
    const socket = this.#socket;
    this.#drop();
    if (socket === null || socket.closed) return Promise.resolve();
    return new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** The present socket, or the dial for it, is nobody's any more. */
  #drop(): void {
    this.#cancelDial?.();
    this.#cancelDial = null;
    const socket = this.#socket;
    this.#socket = null;
    this.#used = false;
    if (socket === null) return;
    // libuv may still read from it.
    if (socket.writableLength > 0) this.#out = NOTHING;
    socket.destroy();
  }

  #connect(): void {
    const { hostname, host, protocol, port } = this.#url;
    const name = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    let isOver = false;
    const cancel = this.#dial({ hostname: name, host, protocol, port }, (error, socket) => {
      if (isOver) return;
      isOver = true;
      this.#cancelDial = null;
      if (error !== null) this.#fail(error);
      else this.#connected(socket);
    });
    this.#cancelDial = () => {
      isOver = true;
      cancel();
    };
  }

  #connected(socket: Socket): void {
    this.#socket = socket;
    this.#expiresMs = Infinity;
    incoming.set(socket, (bytes, size) => {
      if (this.#socket === socket) this.#read(socket, bytes, size);
    });
    const closed = (error?: Error): void => {
      if (this.#socket === socket) this.#closed(error ?? new ClosedError('closed'));
    };
    socket.on('error', closed);
    socket.on('end', () => closed());
    socket.on('close', () => closed());
    if (this.#exchange) this.#write(socket, this.#exchange);
  }

  #write(socket: Socket, exchange: Exchange): void {
    const { body, headers } = exchange.request;
    const head = this.#head.of(headers, body.length);
    if (head === null) {
      this.#exchange = null;
      exchange.failed(new ProtocolError('a header is not allowed'));
      return;
    }
    this.#expiresMs = Infinity;
    this.#reader.begin(exchange);
    if (!exchange.mayWrite()) return;
    const bytes = head.length + body.length;
    if (bytes > SMALL_BYTES) {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
      return;
    }
    if (this.#out.length < bytes) this.#out = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, bytes));
    this.#out.write(head, 0, 'latin1');
    this.#out.set(body, head.length);
    socket.write(this.#out.subarray(0, bytes));
  }

  #read(socket: Socket, bytes: Buffer, size: number): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#drop();
      return;
    }
    const progress = this.#reader.take(bytes, size);
    if (progress === MORE || progress === DROPPED) return;
    if (progress === BROKEN) {
      this.#fail(new ProtocolError('not an answer of HTTP/1.1'));
      return;
    }
    this.#exchange = null;
    const keptMs = Math.min(KEEP_ALIVE_MS, this.#reader.keepAliveHintMs - KEEP_ALIVE_MARGIN_MS);
    const { body, bodyLeft } = exchange.request;
    if (socket.writableLength === 0) bodyLeft?.(body);
    if (progress === LAST || keptMs <= 0 || socket.writableLength > 0) this.#drop();
    else this.#expiresMs = performance.now() + keptMs;
    exchange.ended();
  }

  #closed(error: Error): void {
    const exchange = this.#exchange;
    if (exchange !== null && this.#reader.endsByClose) {
      this.#exchange = null;
      this.#drop();
      exchange.ended();
    } else this.#fail(error);
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#drop();
    exchange?.failed(error);
  }
}
