// The fetches of one reader: one connection of its own, one fetch in flight while the response before it is
// scanned, and the way back after a failure (throw the connection away; the next one also has fresh metadata).
// Refuses: two fetches in flight, giving back a connection that failed, and answers of another log (same-log.ts).

import type { Connections, TakeFrom } from '../connections.ts';
import { EARLIEST, LATEST } from '../client.ts';
import type { KafkaConnection } from '../client.ts';
import { ERROR_CODES } from '../error-codes.ts';
import type { FetchResponse } from '../fetch-protocol.ts';
import type { Proof } from './same-log.ts';

/** Short: it is also how long a pinned end or a close can go unnoticed. */
const MAX_WAIT_MS = 100;
const LARGEST_FETCH = 64 * 1024 * 1024;
/** A reading begins small and doubles with each fetch: one of a few records takes no more than it needs. */
const FIRST_FETCH = 64 * 1024;

/** One partition of one topic. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface InFlight {
  readonly offset: number;
  readonly response: Promise<FetchResponse>;
}

export class FetchAhead {
  readonly #connections: Connections;
  readonly #topic: string;
  readonly #partition: number;
  readonly #proof: Proof;
  readonly #onBytes: (bytes: number) => void;
  #maxBytes: number;
  /** Of the next fetch. */
  #bytes: number;
  #connection: Promise<KafkaConnection> | null = null;
  #from: TakeFrom = 'idle';
  #released = false;
  #inFlight: InFlight | null = null;

  /** `onBytes` hears of the records' bytes of every response, wanted or not. */
  constructor(
    connections: Connections,
    place: Place,
    proof: Proof,
    maxBytes: number,
    onBytes: (bytes: number) => void = () => undefined,
  ) {
    this.#connections = connections;
    this.#topic = place.topic;
    this.#partition = place.partition;
    this.#proof = proof;
    this.#maxBytes = maxBytes;
    this.#bytes = Math.min(FIRST_FETCH, maxBytes);
    this.#onBytes = onBytes;
  }

  /** The response for `offset`: the one that was asked ahead, or a new one. */
  async fetch(offset: number): Promise<FetchResponse> {
    const ahead = this.ahead(offset);
    if (ahead.offset === offset) return await this.#landed(ahead);
    // What was asked ahead turned out to be elsewhere; the socket answers in order, so it only costs its bytes.
    await this.#landed(ahead).then(
      (unread) => unread.release(),
      () => undefined,
    );
    return await this.#landed(this.ahead(offset));
  }

  /** Asks ahead unless a fetch is in flight. */
  ahead(offset: number): InFlight {
    if (this.#inFlight !== null) return this.#inFlight;
    const response = this.#send(offset);
    response.catch(() => undefined);
    this.#inFlight = { offset, response };
    return this.#inFlight;
  }

  /** Doubles the most bytes of a fetch; false when that is not possible any more. */
  grow(): boolean {
    if (this.#maxBytes >= LARGEST_FETCH) return false;
    this.#maxBytes = Math.min(LARGEST_FETCH, this.#maxBytes * 2);
    this.#bytes = this.#maxBytes;
    return true;
  }

  /** The earliest offset and the high watermark. */
  async bounds(): Promise<{ readonly earliest: number; readonly latest: number }> {
    const connection = await this.connection();
    const earliest = await connection.offsetAt(this.#topic, this.#partition, EARLIEST);
    const latest = await connection.offsetAt(this.#topic, this.#partition, LATEST);
    return { earliest: earliest.offset, latest: latest.offset };
  }

  /** The open connection; after a failure another one. */
  connection(): Promise<KafkaConnection> {
    if (this.#released) return Promise.reject(new Error('the reader has ended'));
    this.#connection ??= this.#open();
    return this.#connection;
  }

  /** Throws the connection away; the next call opens a fresh one. */
  fail(): void {
    const failed = this.#connection;
    this.#connection = null;
    this.#inFlight = null;
    this.#from = 'after_failure';
    this.#proof.failed();
    failed?.then(
      (connection) => this.#connections.discard(connection),
      () => undefined, // was never open: #open threw it away
    );
  }

  /** Gives the connection back as soon as it is quiet. Idempotent. */
  release(): void {
    this.#released = true;
    const connection = this.#connection;
    const flight = this.#inFlight;
    this.#connection = null;
    this.#inFlight = null;
    if (connection === null) return;
    void Promise.all([connection, flight?.response]).then(
      ([quiet, unread]) => {
        unread?.release();
        this.#connections.give(quiet);
      },
      () =>
        connection.then(
          (broken) => this.#connections.discard(broken),
          () => undefined,
        ),
    );
  }

  /** Until the answer is there the flight counts as one: a release meanwhile must wait for it. */
  async #landed(flight: InFlight): Promise<FetchResponse> {
    try {
      return await flight.response;
    } finally {
      if (this.#inFlight === flight) this.#inFlight = null;
    }
  }

  async #open(): Promise<KafkaConnection> {
    const connection = this.#connections.take(this.#from);
    this.#from = 'idle';
    try {
      await connection.open(this.#topic);
      return connection;
    } catch (error) {
      this.#connections.discard(connection);
      throw error;
    }
  }

  async #send(offset: number): Promise<FetchResponse> {
    const connection = await this.connection();
    this.#proof.asking();
    const maxBytes = this.#bytes;
    this.#bytes = Math.min(this.#maxBytes, maxBytes * 2);
    const response = await connection.fetch({
      topic: this.#topic,
      partition: this.#partition,
      offset,
      maxBytes,
      maxWaitMs: MAX_WAIT_MS,
      isolation: 'committed',
    });
    this.#onBytes(response.records.length);
    const { errorCode } = response;
    if (errorCode === 0 || errorCode === ERROR_CODES.offsetOutOfRange) await this.#proof.answered(connection);
    return response;
  }
}
