// A copy of the tree in which bugs are planted: the working tree itself is never touched. It lies in the folder of
// the runner's stack, below the checkout, and goes with it. So Node finds the packages in the checkout's own
// node_modules on its way up, and no copy of them, let alone a link, is needed.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repositoryDir } from '../../scripts/stack/paths.ts';
import type { NamedTest } from './bugs.ts';

const LEFT_OUT = ['node_modules', '.reprise', '.git'];

/** What became of one test. */
export interface Fate {
  readonly passed: boolean;
  /** An expectation did not hold; false for errors of any other kind. */
  readonly byAssertion: boolean;
  /** The first line of the failure. */
  readonly why: string;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

export class Tree {
  readonly dir: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #folder: string;
  #child: ChildProcess | null = null;
  #isStopped = false;

  /** `env`: where the servers are. */
  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = env;
    this.dir = join(folder, 'tree');
    mkdirSync(this.dir, { recursive: true });
    for (const name of readdirSync(repositoryDir)) {
      if (LEFT_OUT.includes(name)) continue;
      cpSync(join(repositoryDir, name), join(this.dir, name), { recursive: true });
    }
  }

  /** Runs the named tests; those that did not run are absent. Throws when a file could not even be loaded. */
  async run(name: string, tests: readonly NamedTest[]): Promise<(test: NamedTest) => Fate | undefined> {
    const results = join(this.#folder, `${name}.json`);
    rmSync(results, { force: true });
    const files = [...new Set(tests.map(({ file }) => file))];
    const titles = [...new Set(tests.map(({ title }) => title.replace(/[$()*+./?[\\\]^{|}-]/g, '\\$&')))];
    const words = [...files, '--testNamePattern', `(?:${titles.join('|')})$`];
    await this.#vitest(name, [...words, '--reporter=default', '--reporter=json', `--outputFile=${results}`]);
    const { testResults } = JSON.parse(readFileSync(results, 'utf8')) as Report;
    const fates = new Map<string, Fate>();
    for (const { name: path, message, assertionResults } of testResults) {
      const file = relative(this.dir, path);
      if (assertionResults.length === 0) throw new Error(`${file} cannot be loaded: ${message}`);
      for (const { title, status, failureMessages } of assertionResults) {
        if (status !== 'passed' && status !== 'failed') continue;
        const told = failureMessages.join('\n');
        const [, why = told.split('\n')[0] ?? ''] = /(AssertionError: .*)/.exec(told) ?? [];
        const byAssertion = told.includes('AssertionError');
        fates.set(`${file} ${title}`, { passed: status === 'passed', byAssertion, why });
      }
    }
    return ({ file, title }) => fates.get(`${file} ${title}`);
  }

  /** Its output is kept in a file: tests that fail are what is wanted here. */
  async #vitest(name: string, words: readonly string[]): Promise<void> {
    const log = openSync(join(this.#folder, `${name}.log`), 'w');
    const child = spawn(
      process.execPath,
      [join(repositoryDir, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...words],
      {
        cwd: this.dir,
        stdio: ['ignore', log, log],
        env: {
          ...process.env,
          ...this.#env,
          NO_COLOR: '1',
          NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning',
        },
      },
    );
    closeSync(log);
    this.#child = child;
    await once(child, 'exit');
    this.#child = null;
    // Whoever stopped it ends this process: there is nothing to say any more.
    if (this.#isStopped) await new Promise<never>(() => undefined);
  }

  /** Ends the tests that run; the caller is about to end too. */
  stop(): void {
    this.#isStopped = true;
    this.#child?.kill();
  }
}
