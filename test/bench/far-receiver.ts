// The bench's end of receiver-process.ts.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FromReceiver } from './receiver-process.ts';

type Message<Type extends FromReceiver['type']> = Extract<FromReceiver, { type: Type }>;

export class FarReceiver {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(delayMs = 0): Promise<FarReceiver> {
    const child = fork(join(import.meta.dirname, 'receiver-process.ts'), [String(delayMs)], { execArgv: [] });
    child.setMaxListeners(0);
    const { url } = await next(child, 'listening');
    return new FarReceiver(child, url);
  }

  /** The first event of any job that was not seen before; ask before the job is requested. */
  first(deadlineMs: number): Promise<Message<'first'>> {
    return next(this.#child, 'first', deadlineMs);
  }

  async totals(): Promise<Message<'totals'>> {
    const answer = next(this.#child, 'totals');
    this.#child.send('totals');
    return answer;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

function next<Type extends FromReceiver['type']>(
  child: ChildProcess,
  type: Type,
  deadlineMs = 10_000,
): Promise<Message<Type>> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off('message', look);
      child.off('exit', gone);
    };
    const look = (message: FromReceiver): void => {
      if (message.type !== type) return;
      end();
      resolve(message as Message<Type>);
    };
    const gone = (): void => {
      end();
      reject(new Error('the receiver ended'));
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`no "${type}" of the receiver within ${deadlineMs} ms`));
    }, deadlineMs);
    child.on('message', look);
    child.on('exit', gone);
  });
}
