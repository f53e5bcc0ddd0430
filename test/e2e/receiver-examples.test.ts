// The receivers in examples/ take a real replay, and the same range again: each event is done once, whoever says so, and
// what is not signed is refused.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePython } from '../../scripts/stack/python.ts';
import { freePort } from '../support/ports.ts';
import { Stage } from '../support/stage.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');
const EVENTS = 25;

let stage: Stage;
let folder: string;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  stage = await Stage.open();
  folder = mkdtempSync(join(tmpdir(), 'reprise-receiver-'));
});
afterAll(async () => {
  await Promise.all(ends.map((end) => end()));
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The program, and what it printed so far. */
class Example {
  readonly lines: string[] = [];
  readonly seenFile: string;
  #stop: () => Promise<unknown> = () => Promise.resolve();

  constructor(name: string) {
    this.seenFile = join(folder, `${name}.txt`);
  }

  /** Resolves when it listens. */
  async start(
    [command, ...words]: readonly [string, ...string[]],
    port: number,
    secret: string,
  ): Promise<void> {
    const child = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        WEBHOOK_SECRET: secret,
        PORT: String(port),
        SEEN_FILE: this.seenFile,
      },
    });
    const exited = once(child, 'exit');
    this.#stop = () => {
      child.kill();
      return exited;
    };
    ends.push(this.#stop);
    const listens = Promise.withResolvers<undefined>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      if (line.startsWith('listening')) listens.resolve(undefined);
    });
    await Promise.race([
      listens.promise,
      exited.then(([code]) => Promise.reject(new Error(`the receiver ended with ${String(code)}`))),
    ]);
  }

  stop(): Promise<unknown> {
    return this.#stop();
  }

  starting(text: string): readonly string[] {
    return this.lines.filter((line) => line.startsWith(text));
  }
}

/** What a receiver printed arrives a little after its answer. */
async function printed(example: Example, text: string, count: number): Promise<void> {
  const arrived = () => Promise.resolve(example.starting(text).length >= count);
  await stage.scene.fact(`the receiver printed "${text}" ${count} times`, arrived);
  expect(example.starting(text).length).toBe(count);
}

describe('the example receivers', () => {
  test.each([
    ['node', () => Promise.resolve(process.execPath), 'receiver-node/receiver.mjs'],
    ['python', () => ensurePython('standardwebhooks'), 'receiver-python/receiver.py'],
  ] as const)('%s: does each event once', { timeout: 240_000 }, async (name, interpreter, file) => {
    const command = [await interpreter(), join(EXAMPLES, file)] as const;
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/hook`;
    const webhook = await stage.scene.webhook(stage.instance, { url });
    const story = await stage.scene.tell(webhook, EVENTS, name);
    const example = new Example(name);
    await example.start(command, port, webhook.secret);

    const first = await stage.scene.replay(stage.instance, webhook, story);
    expect(await stage.scene.untilState(first, 'COMPLETED')).toMatchObject({ outcome: 'complete' });
    await printed(example, 'event ', EVENTS);
    expect(example.starting('already had')).toEqual([]);

    // Known ids outlive the receiver.
    await example.stop();
    await example.start(command, port, webhook.secret);
    const second = await stage.scene.replay(stage.instance, webhook, story);
    expect(await stage.scene.untilState(second, 'COMPLETED')).toMatchObject({ outcome: 'complete' });
    await printed(example, 'already had', EVENTS);
    expect(example.starting('event ').length).toBe(EVENTS);

    const forged = await fetch(url, {
      method: 'POST',
      body: '{"event":"forged"}',
      headers: {
        'webhook-id': 'forged',
        'webhook-timestamp': String(Math.floor(Date.now() / 1_000)),
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      },
    });
    expect(forged.status).toBe(401);
    await printed(example, 'refused', 1);
    const known = readFileSync(example.seenFile, 'utf8').trim().split('\n');
    expect(known.sort()).toEqual([...story.ids].sort());
    await example.stop();
  });
});
