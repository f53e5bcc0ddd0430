// The bench's end of peers/fast-receiver: a receiver in Go that is not the limit of what is measured. It ends with
// the bench, however that ends.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { goProgram } from './go-program.ts';

const START_MS = 10_000;

export interface Arrived {
  readonly requests: number;
  /** A batch has several. */
  readonly events: number;
  /** Of the events. */
  readonly distinct: number;
}

/** Counts per slot of the receiver's own clock, from the first request on. */
export interface Arrivals {
  readonly slotMs: number;
  readonly counts: readonly number[];
}

export class FastReceiver {
  readonly url: string;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    if (child.pid === undefined) throw new Error('the receiver did not start');
    this.pid = child.pid;
    this.#child = child;
    this.url = url;
  }

  static async start(delayMs = 0): Promise<FastReceiver> {
    const { path } = await goProgram('fast-receiver', 'fast-receiver');
    const words = ['--pdeathsig', 'KILL', path, '-listen', '127.0.0.1:0', '-delay-ms', String(delayMs)];
    const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const [url] = (await once(lines, 'line', { signal: AbortSignal.timeout(START_MS) })) as [string];
    return new FastReceiver(child, url);
  }

  arrived(): Promise<Arrived> {
    return this.#ask<Arrived>('stats');
  }

  arrivals(): Promise<Arrivals> {
    return this.#ask<Arrivals>('arrivals');
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #ask<Answer>(path: string): Promise<Answer> {
    return (await (await fetch(new URL(path, this.url))).json()) as Answer;
  }
}
