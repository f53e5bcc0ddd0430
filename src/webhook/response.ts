// Reads what comes on one socket as answers of HTTP/1.1 (RFC 9112), as far as delivery needs them: the status,
// Retry-After, where the answer ends, and whether the socket can carry another request behind it.
// An own reader and no llhttp: undici's took 14 us per answer with its request queue around it, this takes 1 us.
// Refuses heads that are not HTTP/1, have a line that is no header, or are larger than MAX_HEAD_BYTES.
// Invariants: a socket is used again only behind an answer whose end is beyond doubt: one length or plain chunks, no
// byte more than that, no wish to close. Everything else is read until it closes, which the exchange bounds. Nothing
// of a body is kept, and of a head only what has come in pieces. The bytes given are not held after the call.

import { Chunks } from './chunked-body.ts';

/** What the reader tells; each at most once per answer, in this order. */
export interface Reading {
  /** The first byte of an answer. */
  responseBegan(): void;
  /** The head of the final answer; `retryAfter` as it stands there. */
  responseHead(status: number, retryAfter: string | undefined): void;
  /** Bytes of the body or its framing. False: nothing more of it is wanted, and the reader is not asked again. */
  responseData(bytes: number): boolean;
}

/** What a chunk of bytes has led to. */
export const MORE = 0;
/** The answer is over and the socket can be used again. */
export const REUSABLE = 1;
/** The answer is over and the socket is not to be used again. */
export const LAST = 2;
/** What came is no answer that HTTP allows here. */
export const BROKEN = 3;
/** The reading gave up. */
export const DROPPED = 4;
export type Progress = typeof MORE | typeof REUSABLE | typeof LAST | typeof BROKEN | typeof DROPPED;

export const MAX_HEAD_BYTES = 16 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const START = Buffer.from('HTTP/1.');
const VERSION_AT = 7;
const STATUS_AT = 9;
const CR = 13;
const SPACE = 0x20;
const COLON = ':';
const ZERO = 0x30;
const NOTHING = Buffer.alloc(0);
const SWITCHING = 101;
/** Of the lower-case first letters of the names that are read: connection, content-length, keep-alive, ... */
const NAMED = new Set(Buffer.from('ckrtCKRT'));
const LENGTH = /^\d{1,15}$/;

/** Where the reader is. */
const IN_HEAD = 0;
const IN_LENGTH = 1;
const IN_CHUNKS = 2;
const UNTIL_CLOSE = 3;

export class ResponseReader {
  #reading: Reading | null = null;
  #state = IN_HEAD;
  #began = false;
  /** Of a head that came in pieces. */
  #pieces = NOTHING;
  #left = 0;
  #chunks: Chunks | null = null;
  #keepAlive = true;
  #status = 0;
  #retryAfter: string | undefined;
  #keepAliveHintMs = Infinity;

  /** The next answer is for `reading`. */
  begin(reading: Reading): void {
    this.#reading = reading;
    this.#state = IN_HEAD;
    this.#began = false;
    if (this.#pieces.length > 0) this.#pieces = NOTHING;
  }

  /** How long the receiver says that it keeps the socket of the last answer; Infinity when it does not say. */
  get keepAliveHintMs(): number {
    return this.#keepAliveHintMs;
  }

  /** The first `size` bytes of `bytes` came. */
  take(bytes: Buffer, size: number): Progress {
    const reading = this.#reading;
    if (reading === null) return BROKEN;
    if (!this.#began) {
      this.#began = true;
      reading.responseBegan();
    }
    let [input, end, at] = [bytes, size, 0];
    if (this.#state === IN_HEAD) {
      if (this.#pieces.length > 0) {
        input = Buffer.concat([this.#pieces, bytes.subarray(0, size)]);
        end = input.length;
        this.#pieces = NOTHING;
      }
      at = this.#takeHeads(input, end);
      if (at < 0) return BROKEN;
      if (this.#state === IN_HEAD) return MORE;
      reading.responseHead(this.#status, this.#retryAfter);
    }
    return this.#takeBody(input, at, end, reading);
  }

  /** The socket has ended: whether that was the answer's proper end. */
  get endsByClose(): boolean {
    return this.#state === UNTIL_CLOSE;
  }

  #takeBody(bytes: Buffer, at: number, size: number, reading: Reading): Progress {
    const came = size - at;
    if (came > 0 && !reading.responseData(came)) return DROPPED;
    if (this.#state === UNTIL_CLOSE) return MORE;
    if (this.#state === IN_CHUNKS) {
      const end = this.#chunks?.take(bytes, at, size) ?? -1;
      if (end < 0) return BROKEN;
      if (!this.#chunks?.isOver) return MORE;
      return end === size && this.#keepAlive ? REUSABLE : LAST;
    }
    if (came < this.#left) {
      this.#left -= came;
      return MORE;
    }
    return came === this.#left && this.#keepAlive ? REUSABLE : LAST;
  }

  /** Reads heads until a final one; returns where its body begins, or -1. With too little it stays in its state. */
  #takeHeads(bytes: Buffer, size: number): number {
    for (let at = 0; ;) {
      const found = bytes.indexOf(HEAD_END, at);
      const end = found < 0 || found + HEAD_END.length > size ? -1 : found + HEAD_END.length;
      if ((end < 0 ? size : end) - at > MAX_HEAD_BYTES) return -1;
      for (let i = 0; i < START.length && at + i < size; i++) if (bytes[at + i] !== START[i]) return -1;
      if (end < 0) {
        this.#pieces = Buffer.from(bytes.subarray(at, size));
        return size;
      }
      if (!this.#readHead(bytes.toString('latin1', at, end - 2))) return -1;
      at = end;
      if (this.#status >= 200) return at;
      if (this.#status === SWITCHING) return -1;
      if (at === size) return at;
    }
  }

  /** `head`: all its lines, each with its end. */
  #readHead(head: string): boolean {
    const status = statusOf(head);
    if (status < 0) return false;
    const isOld = head.charCodeAt(VERSION_AT) === ZERO;
    this.#status = status;
    this.#retryAfter = undefined;
    this.#keepAliveHintMs = Infinity;
    let length = -1;
    let isPlain = true;
    let transfer: string | null = null;
    let connection = '';
    let at = head.indexOf('\n') + 1;
    if (head.charCodeAt(at - 2) !== CR) return false;
    while (at < head.length) {
      const end = head.indexOf('\n', at);
      const colon = head.indexOf(COLON, at);
      if (head.charCodeAt(end - 1) !== CR || colon <= at || colon > end) return false;
      if (head.charCodeAt(at) <= SPACE || head.charCodeAt(colon - 1) <= SPACE) return false;
      if (NAMED.has(head.charCodeAt(at))) {
        const value = head.slice(colon + 1, end - 1).trim();
        switch (head.slice(at, colon).toLowerCase()) {
          case 'content-length':
            if (!LENGTH.test(value) || (length >= 0 && length !== Number(value))) isPlain = false;
            else length = Number(value);
            break;
          case 'transfer-encoding':
            transfer = transfer === null ? value.toLowerCase() : 'several';
            break;
          case 'connection':
            connection += `,${value.toLowerCase()}`;
            break;
          case 'keep-alive':
            this.#keepAliveHintMs = hintOf(value);
            break;
          case 'retry-after':
            this.#retryAfter ??= value;
        }
      }
      at = end + 1;
    }
    if (status < 200) return true;
    const closes = connection !== '' && connection.includes('close');
    this.#keepAlive = isOld ? connection.includes('keep-alive') && !closes : !closes;
    this.#enterBody(isPlain, length, transfer);
    return true;
  }

  #enterBody(isPlain: boolean, length: number, transfer: string | null): void {
    if (this.#status === 204 || this.#status === 304) {
      this.#left = 0;
      this.#state = IN_LENGTH;
    } else if (isPlain && transfer === null && length >= 0) {
      this.#left = length;
      this.#state = IN_LENGTH;
    } else if (isPlain && transfer === 'chunked' && length < 0) {
      this.#chunks = new Chunks();
      this.#state = IN_CHUNKS;
    } else this.#state = UNTIL_CLOSE;
  }
}

/** Of a status line `HTTP/1.x nnn`, or -1. */
function statusOf(head: string): number {
  const version = head.charCodeAt(VERSION_AT) - ZERO;
  if (version < 0 || version > 1 || head.charCodeAt(VERSION_AT + 1) !== SPACE) return -1;
  let status = 0;
  for (let at = STATUS_AT; at < STATUS_AT + 3; at++) {
    const digit = head.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    status = status * 10 + digit;
  }
  const next = head.charCodeAt(STATUS_AT + 3);
  return status >= 100 && (next === SPACE || next === CR) ? status : -1;
}

/** `timeout=5, max=100` in ms. */
function hintOf(value: string): number {
  const seconds = /timeout=(\d{1,6})/i.exec(value)?.[1];
  return seconds === undefined ? Infinity : Number(seconds) * 1_000;
}
