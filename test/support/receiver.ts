// A real HTTP(S) receiver on 127.0.0.1 for tests, the demo and benches: records what comes, answers by script.
// Waiting is by arrivals (waitFor), never by sleeping. Memory stays small with storeBodies: false and `keep`:
// 1 M distinct ids cost about 100 MB (trackIds: false turns that off too), the records kept are the newest `keep`.

import { createHash } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  RequestListener,
  Server,
  ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { misbehave } from './misbehaviour.ts';
import type { Misbehaviour } from './misbehaviour.ts';

export interface Received {
  readonly path: string;
  /** The `webhook-id` header; empty without one. */
  readonly webhookId: string;
  readonly headers: IncomingHttpHeaders;
  /** null with storeBodies: false. */
  readonly body: Buffer | null;
  readonly bytes: number;
  /** Hex; null unless hashBodies. */
  readonly sha256: string | null;
  /** performance.now() when the whole request had arrived. */
  readonly atMs: number;
  /** Counts all requests from 1. */
  readonly number: number;
  /** What the `verify` hook threw; null when it did not or there is none. */
  readonly rejected: string | null;
  /** The status answered; null while or when there was no answer. */
  status: number | null;
  /** performance.now() when the answer was out or the client had gone; null until then. */
  endedAtMs: number | null;
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly delayMs?: number;
  /** Answers when it resolves: an answer that the test holds back. */
  readonly after?: Promise<unknown>;
}

export type Script = (request: Received) => ScriptedAnswer | Misbehaviour;

export interface ReceiverOptions {
  readonly answer?: ScriptedAnswer | Misbehaviour | Script;
  /** Default true. */
  readonly storeBodies?: boolean;
  readonly hashBodies?: boolean;
  /** Default true: count how often each webhook-id came. */
  readonly trackIds?: boolean;
  /** Records kept, newest first to stay; default 10,000. */
  readonly keep?: number;
  /** E.g. Standard Webhooks verification; throw to reject: recorded and answered 401. */
  readonly verify?: (body: Buffer, headers: IncomingHttpHeaders) => void;
  /** Serves HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** How long idle sockets stay open, ms; default 5,000 like Node. */
  readonly keepAliveMs?: number;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiters = new Set<() => void>();
  readonly #counts = new Map<string, number>();
  #records: Received[] = [];
  #script: Script;
  #port = 0;
  /** Requests that arrived whole. */
  requests = 0;
  /** Answers of 2xx. */
  accepted = 0;
  /** Connections ever opened. */
  connections = 0;
  /** The most connections open at a time. */
  connectionsPeak = 0;

  private constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#script = asScript(options.answer ?? { status: 200 });
    const listener: RequestListener = (request, response) => this.#receive(request, response);
    this.#server = options.tls ? createHttpsServer({ ...options.tls }, listener) : createHttpServer(listener);
    this.#server.keepAliveTimeout = options.keepAliveMs ?? 5_000;
    // From Node 24.6 on the buffer is added to keepAliveTimeout; tests want the time that they asked for.
    (this.#server as { keepAliveTimeoutBuffer?: number }).keepAliveTimeoutBuffer = 0;
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      this.connectionsPeak = Math.max(this.connectionsPeak, this.#sockets.size);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: ReceiverOptions = {}): Promise<Receiver> {
    const receiver = new Receiver(options);
    await receiver.up();
    return receiver;
  }

  /** With the path `/hook`. */
  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}/hook`;
  }

  get port(): number {
    return this.#port;
  }

  /** The newest records, oldest first. */
  get records(): readonly Received[] {
    return this.#records;
  }

  get distinctIds(): number {
    return this.#counts.size;
  }

  /** Requests whose id had come before. */
  get repeats(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count - 1, 0);
  }

  timesReceived(webhookId: string): number {
    return this.#counts.get(webhookId) ?? 0;
  }

  /** Changes the behaviour from the next request on. */
  set(answer: ScriptedAnswer | Misbehaviour | Script): void {
    this.#script = asScript(answer);
  }

  /** Resolves when the predicate holds; looks now and after each arrival, answer and end. */
  waitFor(predicate: (receiver: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!predicate(this)) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
      look();
    });
  }

  /** Closes the port and every connection: the next dial is refused. */
  async down(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.closeConnections();
    await closed;
  }

  /** Opens the same port as before. */
  async up(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends every open connection at once (what a server's own keep-alive end looks like to a client). */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.down();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const { storeBodies = true, hashBodies = false, verify } = this.#options;
    const whole = storeBodies || verify !== undefined;
    const chunks: Buffer[] = [];
    const hash = hashBodies ? createHash('sha256') : null;
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      hash?.update(chunk);
      if (whole) chunks.push(chunk);
    });
    // A reset connection is the client's right; without a listener it would end the test run.
    request.on('error', () => undefined);
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const received: Received = {
        path: request.url ?? '',
        webhookId: String(request.headers['webhook-id'] ?? ''),
        headers: request.headers,
        body: storeBodies ? body : null,
        bytes,
        sha256: hash?.digest('hex') ?? null,
        atMs: performance.now(),
        number: (this.requests += 1),
        rejected: rejection(() => verify?.(body, request.headers)),
        status: null,
        endedAtMs: null,
      };
      response.on('close', () => {
        received.endedAtMs = performance.now();
        this.#look();
      });
      this.#record(received);
      this.#answer(received, response);
      this.#look();
    });
  }

  #record(received: Received): void {
    const { trackIds = true, keep = 10_000 } = this.#options;
    const { webhookId } = received;
    if (trackIds && webhookId !== '') this.#counts.set(webhookId, this.timesReceived(webhookId) + 1);
    this.#records.push(received);
    // Cut seldom, or a million requests would each move the whole array.
    if (this.#records.length >= keep * 2) this.#records = this.#records.slice(-keep);
  }

  #answer(received: Received, response: ServerResponse): void {
    const answer = received.rejected === null ? this.#script(received) : { status: 401 };
    if (typeof answer === 'string') {
      misbehave(answer, response);
      return;
    }
    const reply = (): void => {
      // The client has gone: nobody was answered.
      if (response.destroyed) return;
      received.status = answer.status;
      if (answer.status >= 200 && answer.status < 300) this.accepted += 1;
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body ?? '');
      this.#look();
    };
    if (answer.after !== undefined) void answer.after.then(reply);
    else if (answer.delayMs === undefined) reply();
    else setTimeout(reply, answer.delayMs);
  }

  #look(): void {
    for (const look of [...this.#waiters]) look();
  }
}

function asScript(answer: ScriptedAnswer | Misbehaviour | Script): Script {
  return typeof answer === 'function' ? answer : () => answer;
}

function rejection(verify: () => void): string | null {
  try {
    verify();
    return null;
  } catch (error) {
    return String(error);
  }
}
