// docs/API.md does what it says: each of its commands is run by a shell, in its order, against a real instance, and
// must print what the document shows. A new section needs nothing here unless it needs other events.

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureProgram } from '../../scripts/stack/debian-program.ts';
import type { Receiver } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import { difference, stepsOf } from '../support/walkthrough.ts';
import type { Step } from '../support/walkthrough.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/API.md');
const DEADLINE_MS = 30_000;
const EVENTS = 20;
/** An answer's id that the document keeps under a name. */
const KEEPS_ID = /^([A-Z]+)=…$/;

let stage: Stage;
let receiver: Receiver;
let bin: string;
const FROM_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const at = (ms: number): string => new Date(ms).toISOString();

beforeAll(async () => {
  stage = await Stage.open();
  receiver = await stage.receiver({
    // Refuses two of the events until they are sent again by a replay of their own.
    answer: ({ webhookId, headers }) => ({ status: /7$/.test(webhookId) && isFirst(headers) ? 400 : 200 }),
  });
  bin = mkdtempSync(join(tmpdir(), 'reprise-bin-'));
  for (const name of ['curl', 'jq']) {
    const words = (await ensureProgram(name)).map((word) => `'${word}'`).join(' ');
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
});
afterAll(async () => {
  await stage.close();
  rmSync(bin, { recursive: true, force: true });
});

let firstJob: unknown;
function isFirst(headers: Record<string, unknown>): boolean {
  firstJob ??= headers['reprise-job-id'];
  return headers['reprise-job-id'] === firstJob;
}

/** What the document's webhook missed: 20 events, two of them twice in the log. */
async function tellEvents(webhookId: string): Promise<void> {
  const numbers = [...Array(EVENTS).keys(), 3, 4];
  const records = numbers.map((number, index) => ({
    key: webhookId,
    eventId: `evt-${number}`,
    value: `{"order":${number}}`,
    timestampMs: FROM_MS + index * 100,
  }));
  await stage.log.write(stage.scene.topic, records);
}

test('docs/API.md: each command prints what the document shows', { timeout: 180_000 }, async () => {
  const steps = stepsOf(readFileSync(DOCUMENT, 'utf8'));
  expect(steps.length).toBeGreaterThan(20);
  const env: Record<string, string> = {
    PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
    REPRISE: stage.instance.url,
    KEY: stage.scene.apiKey,
    HOOK: receiver.url,
    FROM: at(FROM_MS),
    TO: at(FROM_MS + 600_000),
  };
  let printed = '';
  for (const step of steps) {
    const name = KEEPS_ID.exec(step.command)?.[1];
    if (name === undefined) {
      printed = await done(step, env);
      continue;
    }
    env[name] = (JSON.parse(printed) as { id: string }).id;
    if (name === 'WEBHOOK') await tellEvents(env[name]);
  }
});

/** Runs a step; resolves with what it printed. */
async function done(step: Step, env: Record<string, string>): Promise<string> {
  const until = performance.now() + DEADLINE_MS;
  for (;;) {
    const { stdout } = await promisify(execFile)('bash', ['-c', step.command], { env });
    const differs = difference(step.expected, stdout);
    if (differs === null) return stdout;
    if (!step.waits || performance.now() > until) {
      throw new Error(`docs/API.md:${step.line}: ${step.command}\n${differs}\n\n${stage.scene.logs()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
