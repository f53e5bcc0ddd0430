// Implements the port WebhookSender: per webhook some lines (line.ts), each one socket with one request at a time.
// HTTP/1.1 without pipelining: a pipelined POST behind a failing one fails with it.
// Invariants: never more sockets than `connections`; send() never rejects; nothing is dialled past the guard;
// redirects are never followed.

import type { Answer, ReceiverConnection, SendRequest, WebhookSender } from '../domain/sender.ts';
import type { Dial } from './connector.ts';
import { Exchange } from './exchange.ts';
import type { Exchanging } from './exchange.ts';
import { Flights } from './flights.ts';
import type { Guard } from './guard.ts';
import { SocketLine } from './line.ts';
import { RequestHead } from './request-head.ts';

/** How often sockets that were idle for too long are looked for; one of those is never used, it only lies open. */
const SWEEP_MS = 1_000;

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
  readonly #head: RequestHead;
  /** Last used on top: the hot sockets stay hot and the others reach their keep-alive end. */
  readonly #idle: SocketLine[] = [];
  /** From `#nextWaiting` on. */
  readonly #waiting: Exchange[] = [];
  #nextWaiting = 0;
  /** That ended as they should, for the next requests; never more than were in flight together. */
  readonly #spare: Exchange[] = [];
  #open = 0;
  #sweep: NodeJS.Timeout | null = null;
  #closing: PromiseWithResolvers<void> | null = null;

  constructor(url: URL, connections: number, dial: Dial) {
    this.#url = url;
    this.#connections = Math.max(1, connections);
    this.#dial = dial;
    this.#head = new RequestHead(url);
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
    if (this.#sweep) clearInterval(this.#sweep);
    this.#closing = Promise.withResolvers();
    for (const socket of this.#idle.splice(0)) this.#retire(socket);
    if (this.#open === 0) this.#closing.resolve();
    return this.#closing.promise.then(() => this.flights.close());
  }

  #grow(): SocketLine | null {
    if (this.#open >= this.#connections) return null;
    this.#open += 1;
    return new SocketLine(this.#url, this.#head, this.#dial, (socket) => this.#free(socket));
  }

  #free(socket: SocketLine): void {
    for (let next = this.#takeWaiting(); next; next = this.#takeWaiting()) {
      if (next.isSettled) continue;
      next.runOn(socket, performance.now());
      return;
    }
    if (this.#closing !== null) {
      this.#retire(socket);
      return;
    }
    this.#idle.push(socket);
    this.#sweep ??= setInterval(this.#expire, SWEEP_MS).unref();
  }

  readonly #expire = (): void => {
    const nowMs = performance.now();
    for (const socket of this.#idle) socket.expire(nowMs);
  };

  /** shift() would move all that wait behind it. */
  #takeWaiting(): Exchange | undefined {
    const exchange = this.#waiting[this.#nextWaiting];
    if (exchange && ++this.#nextWaiting * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#nextWaiting);
      this.#nextWaiting = 0;
    }
    return exchange;
  }

  #retire(socket: SocketLine): void {
    void socket.end().then(() => {
      this.#open -= 1;
      if (this.#open === 0) this.#closing?.resolve();
    });
  }
}

function unsent(failure: 'aborted' | 'blocked'): Answer {
  return { kind: 'unanswered', failure, maybeSent: false, durationMs: 0 };
}
