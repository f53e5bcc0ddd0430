// A real instance of the server as a child process: started with an environment, ready when /readyz says that
// database and log are there, ended by a signal. Its log goes to a file, for whoever looks at a failure.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, dirname } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

interface SiteAnswer {
  readonly problem: string | null;
}

export interface InstanceOptions {
  readonly name: string;
  readonly port: number;
  readonly apiKey: string;
  readonly databaseUrl: string;
  readonly brokers: string;
  readonly topics: readonly string[];
  /** Folder of its log file. */
  readonly logDir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Flags for Node. */
  readonly nodeArgs?: readonly string[];
}

export class Instance {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | string>;
  readonly #apiKey: string;

  constructor(options: InstanceOptions) {
    this.name = options.name;
    this.url = `http://127.0.0.1:${options.port}`;
    this.logFile = join(options.logDir, `${options.name}.log`);
    this.#apiKey = options.apiKey;
    mkdirSync(dirname(this.logFile), { recursive: true });
    const log = openSync(this.logFile, 'a');
    this.#child = spawn(
      process.execPath,
      ['--disable-warning=TimeoutNegativeWarning', ...(options.nodeArgs ?? []), join(ROOT, 'src', 'main.ts')],
      {
        stdio: ['ignore', log, log],
        env: {
          PATH: process.env['PATH'],
          REPRISE_INSTANCE: options.name,
          REPRISE_LISTEN: `127.0.0.1:${options.port}`,
          REPRISE_API_KEY: options.apiKey,
          REPRISE_DATABASE_URL: options.databaseUrl,
          REPRISE_SITES: `dc1=${options.brokers}/${options.topics.join('+')}`,
          REPRISE_DANGEROUS_ALLOW_TARGETS: '127.0.0.0/8',
          ...options.env,
        },
      },
    );
    closeSync(log);
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the instance did not start');
    return this.#child.pid;
  }

  /** Resolves with the exit code, or the name of the signal that ended it. */
  get exited(): Promise<number | string> {
    return this.#exited;
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Resolves when it answers ready with all sites reachable; rejects when it ended or `deadlineMs` passed. */
  ready(deadlineMs = 30_000): Promise<this> {
    return this.#until((sites) => sites.every(({ problem }) => problem === null), deadlineMs);
  }

  /** As `ready`, but sites may be away. */
  answers(deadlineMs = 30_000): Promise<this> {
    return this.#until(() => true, deadlineMs);
  }

  async #until(areFine: (sites: readonly SiteAnswer[]) => boolean, deadlineMs: number): Promise<this> {
    const until = performance.now() + deadlineMs;
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(`the instance ended:\n${this.log.slice(-2_000)}`);
      if (performance.now() > until) throw new Error(`the instance is not ready:\n${this.log.slice(-2_000)}`);
      if (await this.#isReady(areFine)) return this;
      await nextTry();
    }
  }

  async #isReady(areFine: (sites: readonly SiteAnswer[]) => boolean): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      const body = (await response.json()) as { sites: SiteAnswer[] };
      return response.ok && areFine(body.sites);
    } catch {
      return false;
    }
  }

  /** Calls the REST API; `body` is sent as JSON. */
  async call<Answer = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Answer }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text ? JSON.parse(text) : {}) as Answer,
    };
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | string> {
    this.#child.kill('SIGTERM');
    return this.#exited;
  }
}

/** Between two looks at a server that is starting; the fact is looked for, not slept for. */
function nextTry(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
