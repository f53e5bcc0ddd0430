// One request and its answer: what a line (line.ts) tells of it, and its total deadline.
// Owns the outcome of one send; refuses to choose sockets (client.ts does) and to keep time (flights.ts does).
// One that ended as it should is used again for another request; one that was broken off is not.
// Invariants: a request is handed to a socket at most once, and only when its sender still may at that moment (a
// dial can end long after it was asked for, and a process can have slept). Exactly one Answer, at the latest at the
// deadline, whatever the receiver does (endless 103s, a drip); the answer's head decides: a 2xx whose body breaks was accepted.
// Nothing of a body is kept; it is read on only so that the socket can be used again.

import type { Answer, SendFailure, SendRequest } from '../domain/sender.ts';
import { failureOf } from './failure.ts';
import type { Flight, Flights, Watch } from './flights.ts';
import type { Reading } from './response.ts';
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
  /** Sends on this line; ends in the exchange's `ended` or `failed`. `nowMs`: of performance.now(). */
  dispatch(exchange: Exchange, nowMs: number): void;
  /** Destroys the socket, also one that is still being dialled. */
  breakOff(): void;
  /** The exchange is over: nothing of it is on the wire any more. */
  release(answered: boolean): void;
}

/** Who sends. */
export interface Exchanging {
  readonly flights: Flights;
  /** Hands the answer on, but not in this stack: the reader is in the middle of it. */
  readonly answered: (exchange: Exchange, answer: Answer) => void;
  /** It ended as it should: it may `begin` anew. */
  readonly done: (exchange: Exchange) => void;
}

export class Exchange implements Reading, Flight {
  request: SendRequest;
  /** Told the answer by the receiver's connection. */
  onAnswer: (answer: Answer) => void;
  /** When it is ended, of performance.now(). */
  dueMs = 0;
  /** Kept by flights.ts. */
  place = 0;
  watch: Watch | null = null;
  readonly #owner: Exchanging;
  #startedMs = 0;
  #line: Line | null = null;
  #onUsedSocket = false;
  #maybeSent = false;
  /** Any byte of an answer on the present socket. */
  #answerBegan = false;
  #settled = false;
  #answered = false;
  #drained = 0;

  constructor(owner: Exchanging, request: SendRequest, onAnswer: (answer: Answer) => void) {
    this.#owner = owner;
    this.request = request;
    this.onAnswer = onAnswer;
    this.begin(request, onAnswer);
  }

  /** From the first on: everything that an earlier request left is overwritten here. */
  begin(request: SendRequest, onAnswer: (answer: Answer) => void): void {
    this.request = request;
    this.onAnswer = onAnswer;
    this.#startedMs = performance.now();
    this.dueMs = this.#startedMs + request.deadlineMs;
    this.#line = null;
    this.#onUsedSocket = false;
    this.#maybeSent = false;
    this.#answerBegan = false;
    this.#settled = false;
    this.#answered = false;
    this.#drained = 0;
    this.#owner.flights.add(this, request.signal);
  }

  /** Settled while it waited for a line, or later. */
  get isSettled(): boolean {
    return this.#settled;
  }

  runOn(line: Line, nowMs = this.#startedMs): void {
    this.#line = line;
    line.dispatch(this, nowMs);
  }

  /** Its time is over: for the answer, or for the rest of the answer's body. */
  lapse(): void {
    if (this.#settled) this.#letGo();
    else this.end('timeout');
  }

  /** Ends it now without an answer, wherever it is. */
  end(failure: SendFailure): void {
    if (this.#settled) return;
    this.#fail(failure);
    if (this.#line === null) this.#owner.flights.remove(this);
    else this.#letGo();
  }

  /** Asked once, by the line that is about to write it. */
  mayWrite(): boolean {
    this.#onUsedSocket = this.#line?.isUsed ?? false;
    if (this.request.mayHandOver()) {
      this.#maybeSent = true;
      return true;
    }
    this.#fail('aborted');
    this.#letGo();
    return false;
  }

  responseBegan(): void {
    this.#answerBegan = true;
  }

  responseHead(status: number, retryAfter: string | undefined): void {
    if (this.#settled) return;
    this.#answered = true;
    const nowMs = performance.now();
    this.#settle({
      kind: 'answered',
      status,
      retryAfterMs: retryAfter === undefined ? null : parseRetryAfterMs(retryAfter, Date.now()),
      durationMs: nowMs - this.#startedMs,
    });
    this.dueMs = nowMs + DRAIN_MS;
    this.#owner.flights.dueBy(this.dueMs);
  }

  responseData(bytes: number): boolean {
    this.#drained += bytes;
    if (this.#drained <= DRAIN_BYTES) return true;
    this.#letGo(REST_MS);
    return false;
  }

  /** The answer is whole. */
  ended(): void {
    const line = this.#line;
    if (line === null) return;
    this.#over();
    const answered = this.#answered;
    this.#owner.done(this);
    line.release(answered);
  }

  /** The dial failed, or the socket or the answer broke. */
  failed(error: Error): void {
    const line = this.#line;
    if (line === null) return;
    if (!this.#settled) {
      const failure = failureOf(error);
      this.#fail(failure === 'reset' && this.#isStale ? 'stale' : failure);
    }
    this.#over();
    line.release(false);
  }

  /**
   * The keep-alive race: the receiver closed an idle socket while our request was on its way (5 of 60 POSTs,
   * measured), and not one byte of an answer came. Not sent again here: a second hand-over is one more request,
   * and lease, rate and counts are asked where all of them begin.
   */
  get #isStale(): boolean {
    return this.#onUsedSocket && !this.#answerBegan;
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
    this.#owner.answered(this, answer);
  }

  /** Gives up the socket with whatever is still on it; its place is free after `restMs`. */
  #letGo(restMs = 0): void {
    const line = this.#line;
    if (line === null) return;
    this.#over();
    line.breakOff();
    if (restMs === 0) line.release(false);
    else setTimeout(() => line.release(false), restMs);
  }

  #over(): void {
    this.#line = null;
    this.#owner.flights.remove(this);
  }
}
