// Random commands of clients, owners and time against the real server, with a small model beside it. After each
// run fold(transitions) equals the row, no seq is missing, no fence fell, and no webhook has two turns.
// REPRISE_TEST_SEED repeats a run that failed; REPRISE_TEST_RUNS makes it a longer one.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkHistories, checkTurns, freshStores, newWebhook } from '../../support/database.ts';
import { Model } from './model.ts';
import { arbitraries, compare, request, seen } from './model-commands.ts';
import type { Real } from './model-commands.ts';

const RUNS = Number(process.env['REPRISE_TEST_RUNS'] ?? 300);
const SEED = Number(process.env['REPRISE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Databases worked on at once: a COMMIT waits for the disk, not for the processor. */
const LANES = 6;

let lanes: readonly Real[];
beforeAll(async () => {
  lanes = await Promise.all(
    Array.from({ length: LANES }, async () => {
      const stores = await freshStores();
      const webhooks = [await newWebhook(stores.replays), await newWebhook(stores.replays)];
      return { ...stores, webhooks };
    }),
  );
});
afterAll(() => Promise.all(lanes.map(({ database }) => database.drop())));

async function run(real: Real, commands: Iterable<fc.AsyncCommand<Model, Real>>): Promise<void> {
  await real.database.query('DELETE FROM replay_jobs');
  await real.database.query('DELETE FROM job_transitions');
  const model = new Model();
  const beginning = [request(0), request(0), request(1)];
  await fc.asyncModelRun(() => ({ model, real }), [...beginning, ...commands]);
  expect(await checkHistories(real.database)).toBe(model.jobs.length);
  await checkTurns(real.database);
  await compare(model, real);
}

it('the store answers as the model does, whatever comes in whatever order', async () => {
  const startedMs = performance.now();
  const property = (real: Real) =>
    fc.asyncProperty(fc.commands(arbitraries, { maxCommands: 30, size: 'max' }), (commands) =>
      run(real, commands),
    );
  const numRuns = Math.ceil(RUNS / LANES);
  try {
    await Promise.all(lanes.map((real, lane) => fc.assert(property(real), { numRuns, seed: SEED + lane })));
  } catch (error) {
    console.error(`again with REPRISE_TEST_SEED=${SEED}`);
    throw error;
  }
  const told = [...seen]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([what, times]) => `${what} ${times}`);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(`${numRuns * LANES} runs, seed ${SEED}, ${seconds} s: ${told.join(', ')}`);
  if (RUNS < 300) return;
  for (const what of EXPECTED) expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
}, 120_000);

/** What 300 runs cannot miss. */
const EXPECTED = [
  ...[
    'CLAIMED',
    'RECLAIMED',
    'OFFSETS_RESOLVED',
    'CONTINUED',
    'ENDS_PINNED',
    'DRAINED',
    'RELEASED',
    'FAILED',
  ],
  ...['PAUSED', 'CANCELLED', 'PAUSE_REQUESTED', 'RESUME_REQUESTED', 'CANCEL_REQUESTED'],
  ...['cut saved', 'cut fenced', 'fenced', 'illegal'],
];
