// The sockets of one KafkaConnection. KafkaJS would get a Fetch response as a dozen stream chunks, each memory of
// its own, and join them; that was half of what fetching cost, and most of the garbage of reading. Here Node reads
// the response straight into memory that is used again (`onread`), and KafkaJS gets a stand-in frame of the same
// correlation id, so that its queue, time-outs, throttling and disconnects go on as they are. Every other frame
// reaches it unchanged.
//
//   request out: of a Fetch the correlation id is noted
//   answer in:   |size, correlation id| 8 bytes of its own, then the body: of a Fetch into ResponseMemory, else to KafkaJS
//
// Nothing is ever read past the frame that is being read, so no byte of a response lies anywhere else, and between
// two frames Node holds the place for the 8 bytes only. Invariant: at most one response has landed and is not
// collected; it is collected by the stand-in that came with it.

import { connect, isIP } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { PEER_SPEAKS_TLS } from './access.ts';
import { FETCH_KEY } from './fetch-protocol.ts';
import { ResponseMemory } from './response-memory.ts';

export interface SocketAsked {
  readonly host: string;
  readonly port: number;
  readonly ssl?: ConnectionOptions | true | null;
  readonly onConnect: () => void;
}

const KEEP_ALIVE_MS = 60_000;
/** Size and correlation id. */
const HEAD_BYTES = 8;
const ID_BYTES = 4;
/** Of a frame that goes to KafkaJS. */
const PART_BYTES = 16 * 1024;
const STAND_IN_BYTES = 4;
/** Type and version with which a TLS alert begins; as the size of an answer it would be 352 MB. */
const TLS_ALERT = 0x1503;

/** One for all connections of this thread. */
const memory = new ResponseMemory();

export class FetchSockets {
  #landed: { readonly ticket: number; readonly body: Buffer } | null = null;
  #tickets = 0;

  /** KafkaJS' socketFactory, with the options of its own. */
  readonly open = ({ host, port, ssl, onConnect }: SocketAsked): Socket => {
    const frames = new Frames((body) => this.#land(body));
    const { onread } = frames;
    const to = { host, port, onread };
    const named = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? connectTls({ ...to, ...named, ...(ssl === true ? {} : ssl) }, onConnect)
      : connect(to, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    frames.serve(socket);
    return socket;
  };

  /**
   * The body of the response that `payload` stands for; null when it stands for none. `giveBack` it when it was read.
   */
  collect(payload: Buffer): Buffer | null {
    const landed = this.#landed;
    if (landed === null || payload.length !== STAND_IN_BYTES || payload.readInt32BE(0) !== landed.ticket)
      return null;
    this.#landed = null;
    return landed.body;
  }

  /** Every view of it is empty afterwards. */
  giveBack(body: Buffer): void {
    memory.give(body);
  }

  /** What KafkaJS shall take for the body. */
  #land(body: Buffer): Buffer {
    // Nobody waited any more for the one before: its request had timed out.
    if (this.#landed !== null) memory.give(this.#landed.body);
    this.#tickets = (this.#tickets + 1) | 0;
    this.#landed = { ticket: this.#tickets, body };
    const payload = Buffer.alloc(STAND_IN_BYTES);
    payload.writeInt32BE(this.#tickets);
    return payload;
  }
}

/** The frames that come in on one socket. */
class Frames {
  readonly #land: (body: Buffer) => Buffer;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  readonly #part = Buffer.alloc(PART_BYTES);
  /** Correlation ids of Fetch requests without an answer. */
  readonly #asked = new Set<number>();
  #socket: Socket | null = null;
  /** Bytes of the head, or of `#body`, that are there. */
  #filled = 0;
  /** The Fetch response that is being read. */
  #body: Buffer | null = null;
  /** Bytes that are missing of a frame that goes to KafkaJS. */
  #passing = 0;
  #isFirst = true;

  readonly onread: OnReadOpts = {
    buffer: () => this.#place(),
    callback: (count) => {
      this.#came(count);
      return true;
    },
  };

  constructor(land: (body: Buffer) => Buffer) {
    this.#land = land;
  }

  serve(socket: Socket): void {
    this.#socket = socket;
    const write = socket.write.bind(socket) as (...words: readonly unknown[]) => boolean;
    socket.write = (bytes: unknown, ...more: readonly unknown[]) => {
      // size (4), API key (2), version (2), correlation id (4): KafkaJS writes a request as one buffer.
      if (Buffer.isBuffer(bytes) && bytes.length >= 12 && bytes.readInt16BE(4) === FETCH_KEY) {
        this.#asked.add(bytes.readInt32BE(8));
      }
      return write(bytes, ...more);
    };
  }

  /** Where the next bytes shall go; Node asks before each read. */
  #place(): Buffer {
    if (this.#body !== null) return this.#body.subarray(this.#filled);
    if (this.#passing > 0) return this.#part.subarray(0, this.#passing);
    return this.#head.subarray(this.#filled);
  }

  #came(count: number): void {
    if (this.#body !== null) {
      this.#filled += count;
      if (this.#filled === this.#body.length) this.#landed(this.#body);
    } else if (this.#passing > 0) {
      this.#passing -= count;
      this.#pass(this.#part.subarray(0, count));
    } else {
      this.#filled += count;
      if (this.#filled >= ID_BYTES) this.#begin();
    }
  }

  #begin(): void {
    if (this.#isFirst && this.#head.readUInt16BE(0) === TLS_ALERT) {
      this.#socket?.destroy(Object.assign(new Error('the peer speaks TLS'), { code: PEER_SPEAKS_TLS }));
      return;
    }
    this.#isFirst = false;
    const size = this.#head.readInt32BE(0);
    // No answer of Kafka's is so short; the end of an old SASL handshake is.
    if (size >= ID_BYTES && this.#filled < HEAD_BYTES) return;
    const rest = Math.max(0, size - ID_BYTES);
    const isFetch = this.#filled === HEAD_BYTES && rest > 0 && this.#asked.delete(this.#head.readInt32BE(4));
    const head = this.#head.subarray(0, this.#filled);
    this.#filled = 0;
    if (isFetch) this.#body = this.#memoryFor(rest);
    if (this.#body === null) {
      this.#passing = rest;
      this.#pass(head);
    }
  }

  #memoryFor(length: number): Buffer | null {
    try {
      return memory.take(length);
    } catch (error) {
      this.#socket?.destroy(error instanceof Error ? error : undefined);
      return null;
    }
  }

  #landed(body: Buffer): void {
    this.#body = null;
    this.#filled = 0;
    const payload = this.#land(body);
    const frame = Buffer.alloc(HEAD_BYTES + payload.length);
    this.#head.copy(frame);
    frame.writeInt32BE(ID_BYTES + payload.length, 0);
    payload.copy(frame, HEAD_BYTES);
    this.#socket?.emit('data', frame);
  }

  /** KafkaJS keeps what it gets until the frame is whole: a copy. */
  #pass(bytes: Buffer): void {
    this.#socket?.emit('data', Buffer.from(bytes));
  }
}
