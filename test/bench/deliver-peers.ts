// The senders that the delivery bench compares, each a process of its own, and the receiver in Go that counts what they
// sent.

import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { goProgram } from './go-program.ts';
import { npmVersion } from './peer-figures.ts';

const PEERS = join(import.meta.dirname, 'peers');
/** Every n-th request's signature is checked. */
const CHECK_EVERY = 100;
/** What SECRET in peers/deliver/work.ts decodes to. */
const KEY = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=', 'base64').toString('hex');

export interface Sender {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly eventsPerRequest: number;
  /** Share of the events that it is given: the slow ones would take minutes. */
  readonly share: number;
  command(url: string, events: number, connections: number): readonly string[];
}

export const SENDERS: readonly Sender[] = [
  sender('reprise', 'Reprise', 'reprise.ts', 'this checkout', 1),
  sender('client', 'Reprise’s HTTP client alone', 'client.ts', 'this checkout', 1),
  sender('undici-pool', 'undici Pool.request', 'undici-pool.ts', npmVersion('undici'), 1),
  sender('fetch', 'fetch()', 'fetch.ts', `Node ${process.version}`, 0.25),
  sender('axios', 'axios', 'axios.ts', npmVersion('axios'), 0.25),
  sender('raw', 'raw sockets: the limit', 'raw.ts', `Node ${process.version}`, 1),
  sender('ndjson', 'Reprise, NDJSON batches of 100', 'reprise.ts', 'this checkout', 10, 100),
  sender(
    'raw-ndjson',
    'raw sockets, batches of 100: the limit',
    'raw.ts',
    `Node ${process.version}`,
    10,
    100,
  ),
];

function sender(
  id: string,
  name: string,
  file: string,
  version: string,
  share: number,
  eventsPerRequest = 1,
): Sender {
  return {
    ...{ id, name, version, share, eventsPerRequest },
    command: (url, events, connections) => [
      process.execPath,
      join(PEERS, 'deliver', file),
      ...[url, String(events), String(connections)],
      ...(eventsPerRequest > 1 ? [String(eventsPerRequest)] : []),
    ],
  };
}

/** Since the last question. */
export interface Came {
  readonly requests: number;
  readonly events: number;
  readonly connections: number;
  readonly checked: number;
  /** Signatures that were wrong, or of another time. */
  readonly broken: number;
}

/** Ends with the bench: it reads until its input is closed. */
export class GoReceiver {
  readonly url: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: ChildProcessByStdio<Writable, Readable, null>,
    lines: AsyncIterator<string>,
    url: string,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.url = url;
  }

  static async start(delayMs: number): Promise<GoReceiver> {
    const { path } = await goProgram('signed-receiver', 'signed-receiver');
    const words = [String(delayMs), String(CHECK_EVERY), KEY];
    const child = spawn(path, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { url } = JSON.parse(await nextOf(lines)) as { url: string };
    return new GoReceiver(child, lines, url);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the receiver did not start');
    return this.#child.pid;
  }

  async came(): Promise<Came> {
    this.#child.stdin.write('\n');
    return JSON.parse(await nextOf(this.#lines)) as Came;
  }

  close(): void {
    this.#child.stdin.end();
  }
}

async function nextOf(lines: AsyncIterator<string>): Promise<string> {
  const answer = await lines.next();
  if (answer.done === true) throw new Error('the receiver ended');
  return answer.value;
}
