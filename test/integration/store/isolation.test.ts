// What a claimer that finds nothing does to everybody else: nothing. In REPEATABLE READ it would lock the place
// where no job is, and whoever asks for a replay would wait for it.

import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import type { Database } from '../../../src/store/database.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import { freshDatabase, newReplay, newWebhook } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let claimer: Database;
let replays: ReplayStore;

beforeAll(async () => {
  database = await freshDatabase();
  claimer = database.open({ poolSize: 1 });
  // A short lease: a lock is waited for a second at a time.
  replays = createReplayStore(database.open({ leaseMs: 2_000 }));
});
afterAll(() => database.drop());

/** A claimer that has looked for jobs, found none, and has not ended its transaction. */
async function lookedInVain(): Promise<() => Promise<void>> {
  const looked = Promise.withResolvers<undefined>();
  const end = Promise.withResolvers<undefined>();
  const looking = claimer.transactions.connection().execute(async (tx) => {
    await sql`START TRANSACTION`.execute(tx);
    const { rows } = await sql`SELECT id FROM replay_jobs FORCE INDEX (replay_jobs_claim)
      WHERE state = 'OPEN' AND turn = 1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
    expect(rows).toEqual([]);
    looked.resolve(undefined);
    await end.promise;
    await sql`ROLLBACK`.execute(tx);
  });
  await Promise.race([looked.promise, looking]);
  return async () => {
    end.resolve(undefined);
    await looking;
  };
}

it('a claimer that finds no job keeps nobody from asking for one', async () => {
  const webhook = await newWebhook(replays);
  const end = await lookedInVain();
  const asked = await newReplay(replays, webhook).then(({ state }) => state, String);
  await end();
  expect(asked).toBe('OPEN');
  expect(database.signals.filter(({ name }) => name === 'store.retry')).toEqual([]);
});
