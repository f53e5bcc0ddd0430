// One request and its answer: the handler that undici calls, and the total deadline that undici does not have.
// Owns the outcome of one send; refuses to choose sockets (client.ts does).
// Invariants: a request is handed to a socket at most once, and only when its sender still may at that moment (a
// dial can end long after it was asked for, and a process can have slept). Exactly one Answer, at the latest at the
// deadline, whatever the receiver does (endless 103s defeat headersTimeout, a drip defeats bodyTimeout); the
// answer's head decides: a 2xx whose body breaks was accepted.
// Nothing of a body is kept; it is read on only so that the socket can be used again.

import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Answer, SendFailure, SendRequest } from '../domain/sender.ts';
import { failureOf } from './failure.ts';
import { parseRetryAfterMs } from './retry-after.ts';

/** A body longer or slower than this costs its socket: a new one is cheaper than reading on. */
const DRAIN_BYTES = 64 * 1024;
const DRAIN_MS = 1_000;
/**
 * The place of a socket that a long body cost rests: 1,800 dials a second for a receiver that answers each request
 * with a flood took so much of the process that other webhooks fell behind their rate.
 */
const REST_MS = 250;

/** What an exchange needs of the socket it runs on. */
export interface Line {
  /** Whether the present socket has carried an answered request. */
  readonly isUsed: boolean;
  /** Sends on this line; ends in the exchange's handler methods. */
  dispatch(exchange: Exchange): void;
  /** Destroys the socket, also one that is still being dialled. */
  breakOff(): void;
  /** The exchange is over: nothing of it is on the wire any more. */
  release(answered: boolean): void;
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: SendRequest;
  readonly #resolve: (answer: Answer) => void;
  readonly #startedMs = performance.now();
  readonly #onSettled: (exchange: Exchange) => void;
  #timer: NodeJS.Timeout;
  #line: Line | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #onUsedSocket = false;
  #maybeSent = false;
  /** Any byte of an answer on the present socket. */
  #answerBegan = false;
  #settled = false;
  #answered = false;
  #drained = 0;

  constructor(
    request: SendRequest,
    resolve: (answer: Answer) => void,
    onSettled: (exchange: Exchange) => void,
  ) {
    this.request = request;
    this.#resolve = resolve;
    this.#onSettled = onSettled;
    this.#timer = setTimeout(() => this.end('timeout'), request.deadlineMs);
  }

  /** Settled while it waited for a line, or later. */
  get isSettled(): boolean {
    return this.#settled;
  }

  runOn(line: Line): void {
    this.#line = line;
    line.dispatch(this);
  }

  /** Ends it now without an answer, wherever it is. */
  end(failure: SendFailure): void {
    if (this.#settled) return;
    this.#fail(failure);
    this.#letGo();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error('settled'));
      return;
    }
    this.#controller = controller;
    this.#onUsedSocket = this.#line?.isUsed ?? false;
    if (!this.request.mayHandOver()) {
      this.#fail('aborted');
      this.#letGo();
      return;
    }
    // undici writes head and body in the same step as this call.
    this.#maybeSent = true;
  }

  onResponseStarted(): void {
    this.#answerBegan = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200 || this.#settled) return;
    this.#answered = true;
    this.#settle({
      kind: 'answered',
      status,
      retryAfterMs: parseRetryAfterMs(headers['retry-after'], Date.now()),
      durationMs: performance.now() - this.#startedMs,
    });
    this.#timer = setTimeout(() => this.#letGo(), DRAIN_MS);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#drained += chunk.length;
    if (this.#drained > DRAIN_BYTES) this.#letGo(REST_MS);
  }

  onResponseEnd(): void {
    this.#release(true);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#line === null) return;
    if (!this.#settled) {
      const failure = failureOf(error);
      this.#fail(failure === 'reset' && this.#isStale ? 'stale' : failure);
    }
    this.#release(false);
  }

  /**
   * The keep-alive race: the receiver closed an idle socket while our request was on its way (5 of 60 POSTs,
   * measured), and not one byte of an answer came. Not sent again here: a second hand-over is one more request,
   * and lease, rate and counts are asked where all of them begin.
   */
  get #isStale(): boolean {
    if (this.#answerBegan) return false;
    return this.#controller === null ? (this.#line?.isUsed ?? false) : this.#onUsedSocket;
  }

  #fail(failure: SendFailure): void {
    this.#settle({
      kind: 'unanswered',
      failure,
      maybeSent: this.#maybeSent,
      durationMs: performance.now() - this.#startedMs,
    });
  }

  #settle(answer: Answer): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#onSettled(this);
    this.#resolve(answer);
  }

  /** Gives up the socket with whatever is still on it; its place is free after `restMs`. */
  #letGo(restMs = 0): void {
    const line = this.#line;
    if (line === null) return;
    // First the release of our side: breaking the socket comes back as an error of this same exchange.
    this.#line = null;
    clearTimeout(this.#timer);
    if (this.#controller === null) line.breakOff();
    else this.#controller.abort(new Error('let go'));
    if (restMs === 0) line.release(false);
    else setTimeout(() => line.release(false), restMs);
  }

  #release(answered: boolean): void {
    clearTimeout(this.#timer);
    const line = this.#line;
    this.#line = null;
    line?.release(answered && this.#answered);
  }
}
