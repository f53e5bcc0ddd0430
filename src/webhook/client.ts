// Implements the port WebhookSender: per webhook an array of undici Clients with one socket and one request each.
// Own Clients and no Pool: a Pool scans its clients for every request (29,000 against 46,000 requests/s with 1,024
// sockets). HTTP/1.1 without pipelining: a pipelined POST behind a failing one fails with it.
// Invariants: never more sockets than `connections`; send() never rejects; nothing is dialled past the guard;
// redirects are never followed (undici follows none).

import { Client } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import type { Answer, ReceiverConnection, SendRequest, WebhookSender } from '../domain/sender.ts';
import type { Dial } from './connector.ts';
import { Exchange } from './exchange.ts';
import type { Exchanging, Line } from './exchange.ts';
import { Flights } from './flights.ts';
import type { Guard } from './guard.ts';

/** Below the 5 s of Node's and most other servers: whoever closes an idle socket first should be us. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MARGIN_MS = 1_000;
/** undici's own time-outs are only a net below the exchange's deadline; they are too coarse to be it. */
const BACKSTOP_MS = 5_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** A sender whose every socket goes through `guard`. */
export function createSender(guard: Guard): WebhookSender {
  return {
    connect: (url, connections) =>
      guard.checkUrl(url) === null
        ? new Receiver(new URL(url), connections, guard.connector)
        : new BlockedReceiver(),
  };
}

type OnAnswer = (answer: Answer) => void;

/** The URL itself is refused, so that nothing is ever dialled for it. */
class BlockedReceiver implements ReceiverConnection {
  send(_request: SendRequest, onAnswer: OnAnswer): void {
    queueMicrotask(() => onAnswer(unsent('blocked')));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class Receiver implements ReceiverConnection, Exchanging {
  readonly flights = new Flights();
  readonly #url: URL;
  readonly #connections: number;
  readonly #dial: Dial;
  /** Last used on top: the hot sockets stay hot and the others reach their keep-alive end. */
  readonly #idle: Socket[] = [];
  /** From `#nextWaiting` on. */
  readonly #waiting: Exchange[] = [];
  #nextWaiting = 0;
  /** That ended as they should, for the next requests; never more than were in flight together. */
  readonly #spare: Exchange[] = [];
  #open = 0;
  #closing: PromiseWithResolvers<void> | null = null;

  constructor(url: URL, connections: number, dial: Dial) {
    this.#url = url;
    this.#connections = Math.max(1, connections);
    this.#dial = dial;
  }

  send(request: SendRequest, onAnswer: OnAnswer): void {
    if (this.#closing !== null || request.signal.aborted) {
      queueMicrotask(() => onAnswer(unsent('aborted')));
      return;
    }
    let exchange = this.#spare.pop();
    if (exchange) exchange.begin(request, onAnswer);
    else exchange = new Exchange(this, request, onAnswer);
    const socket = this.#idle.pop() ?? this.#grow();
    if (socket === null) this.#waiting.push(exchange);
    else exchange.runOn(socket);
  }

  readonly answered = ({ onAnswer }: Exchange, answer: Answer): void => {
    queueMicrotask(() => onAnswer(answer));
  };

  readonly done = (exchange: Exchange): void => {
    this.#spare.push(exchange);
  };

  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.promise;
    this.#closing = Promise.withResolvers();
    for (const socket of this.#idle.splice(0)) this.#retire(socket);
    if (this.#open === 0) this.#closing.resolve();
    return this.#closing.promise.then(() => this.flights.close());
  }

  #grow(): Socket | null {
    if (this.#open >= this.#connections) return null;
    this.#open += 1;
    return new Socket(this.#url, this.#dial, (socket) => this.#free(socket));
  }

  #free(socket: Socket): void {
    for (let next = this.#takeWaiting(); next; next = this.#takeWaiting()) {
      if (next.isSettled) continue;
      next.runOn(socket);
      return;
    }
    if (this.#closing === null) this.#idle.push(socket);
    else this.#retire(socket);
  }

  /** shift() would move all that wait behind it. */
  #takeWaiting(): Exchange | undefined {
    const exchange = this.#waiting[this.#nextWaiting];
    if (exchange && ++this.#nextWaiting * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#nextWaiting);
      this.#nextWaiting = 0;
    }
    return exchange;
  }

  #retire(socket: Socket): void {
    void socket.end().then(() => {
      this.#open -= 1;
      if (this.#open === 0) this.#closing?.resolve();
    });
  }
}

/** One place for a socket: an undici Client that dials when it must. */
class Socket implements Line {
  readonly #url: URL;
  readonly #dial: Dial;
  readonly #onFree: (socket: Socket) => void;
  /** undici reads it within `dispatch` and does not keep it. */
  readonly #options: { -readonly [Key in keyof Dispatcher.DispatchOptions]: Dispatcher.DispatchOptions[Key] };
  #client: Client;
  #cancelDial: (() => void) | null = null;
  #used = false;

  constructor(url: URL, dial: Dial, onFree: (socket: Socket) => void) {
    this.#url = url;
    this.#options = { path: url.pathname + url.search, method: 'POST' };
    this.#dial = dial;
    this.#onFree = onFree;
    this.#client = this.#newClient();
  }

  get isUsed(): boolean {
    return this.#used;
  }

  dispatch(exchange: Exchange): void {
    const { body, headers, deadlineMs } = exchange.request;
    const options = this.#options;
    options.headers = headers as string[];
    options.body = body;
    options.headersTimeout = options.bodyTimeout = deadlineMs + BACKSTOP_MS;
    this.#client.dispatch(options, exchange);
  }

  /** Before a request is on the socket undici gives no handle to stop it: the whole Client goes. */
  breakOff(): void {
    this.#cancelDial?.();
    destroy(this.#client);
    this.#client = this.#newClient();
  }

  release(answered: boolean): void {
    if (answered) this.#used = true;
    this.#onFree(this);
  }

  end(): Promise<void> {
    this.#cancelDial?.();
    return this.#client.destroy();
  }

  #newClient(): Client {
    this.#used = false;
    const client = new Client(this.#url.origin, {
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: (options: buildConnector.Options, callback: buildConnector.Callback) => {
        this.#used = false;
        this.#cancelDial = this.#dial(options, (...result) => {
          this.#cancelDial = null;
          callback(...result);
        });
      },
    });
    client.on('disconnect', () => {
      if (client === this.#client) this.#used = false;
    });
    return client;
  }
}

function destroy(client: Client): void {
  // Cannot reject: undici resolves it when the socket is gone.
  void client.destroy();
}

function unsent(failure: 'aborted' | 'blocked'): Answer {
  return { kind: 'unanswered', failure, maybeSent: false, durationMs: 0 };
}
