// docs/API.md and docs/X.md do what they say: each of their commands is run by a shell, in its order, against a real
// instance, and must print what the document shows. A new section needs nothing here unless it needs other events.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureProgram } from '../../scripts/stack/debian-program.ts';
import { PageReceiver } from '../support/page-receiver.ts';
import { Stage } from '../support/stage.ts';
import { follow } from '../support/walkthrough-run.ts';

const ROOT = join(import.meta.dirname, '../..');
const EVENTS = 20;
const MINUTE_MS = 60_000;
/** A whole minute, as X's API needs it. */
const FROM_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 60 * MINUTE_MS;
const TO_MS = FROM_MS + 10 * MINUTE_MS;
const at = (ms: number): string => new Date(ms).toISOString();
const minute = (ms: number): string => at(ms).replace(/\D/g, '').slice(0, 12);

let stage: Stage;
let folder: string;

beforeAll(async () => {
  stage = await Stage.open();
  folder = mkdtempSync(join(tmpdir(), 'reprise-reader-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['curl', 'jq']) {
    const words = (await ensureProgram(name)).map((word) => `'${word}'`).join(' ');
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
});
afterAll(async () => {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the document's webhook missed: 20 events, two of them twice in the log. */
async function tellEvents(webhookId: string): Promise<void> {
  const numbers = [...Array(EVENTS).keys(), 3, 4];
  const records = numbers.map((number, index) => ({
    key: webhookId,
    eventId: `evt-${number}`,
    value: `{"type":"order.${number % 2 ? 'paid' : 'created'}","order":${number}}`,
    timestampMs: FROM_MS + index * 100,
  }));
  await stage.log.write(stage.scene.topic, records);
}

test.each([
  ['docs/API.md', 50],
  ['docs/X.md', 8],
])('%s: each command prints what the document shows', { timeout: 180_000 }, async (document, least) => {
  const place = mkdtempSync(join(folder, 'place-'));
  symlinkSync(join(ROOT, 'examples'), join(place, 'examples'));
  const page = new PageReceiver(place);
  const receiver = await stage.receiver({ answer: page.answer });
  const steps = await follow(join(ROOT, document), {
    env: {
      PATH: [join(folder, 'bin'), process.env['PATH'] ?? ''].join(delimiter),
      REPRISE: stage.instance.url,
      KEY: stage.scene.apiKey,
      HOOK: receiver.url,
      FROM: at(FROM_MS),
      TO: at(TO_MS),
      FROM_DATE: minute(FROM_MS),
      TO_DATE: minute(TO_MS),
    },
    folder: place,
    onKept: async (name, value) => {
      if (name === 'WEBHOOK') await tellEvents(value);
      if (name === 'SECRET') page.secret = value;
    },
    logs: () => stage.scene.logs(),
  });
  expect(steps).toBeGreaterThan(least);
});
