// A process of a bench that answers each message with one: the bench's end. It ends with the bench.

import { fork } from 'node:child_process';
import type { ChildProcess, Serializable } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ANSWER_MS = 20_000;

export class FarProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `hello`: what it said once it was ready. */
  static async start<Hello>(file: string): Promise<{ readonly far: FarProcess; readonly hello: Hello }> {
    const far = new FarProcess(fork(join(import.meta.dirname, file), { execArgv: [] }));
    return { far, hello: await far.#next<Hello>() };
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process did not start');
    return this.#child.pid;
  }

  /** One question at a time. */
  ask<Answer>(message: Serializable): Promise<Answer> {
    const answer = this.#next<Answer>();
    this.#child.send(message);
    return answer;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #next<Answer>(): Promise<Answer> {
    const [answer] = (await once(this.#child, 'message', { signal: AbortSignal.timeout(ANSWER_MS) })) as [
      Answer,
    ];
    return answer;
  }
}
