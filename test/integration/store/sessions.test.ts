// What a connection costs before it has done anything. The driver makes room for prepared statements, of which
// there are none here, by its own default for 16,000: 0.5 MiB each, nearly half of a busy instance's heap.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MysqlPoolConnection } from 'kysely';
import { Outage } from '../../../src/store/outage.ts';
import { openSessions } from '../../../src/store/sessions.ts';
import { freshDatabase } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

it('a session makes no room for prepared statements', async () => {
  const pool = openSessions({
    url: database.url,
    size: 1,
    waitTimeoutSeconds: null,
    lockWaitSeconds: 1,
    statementTimeoutMs: null,
    outage: new Outage(() => undefined),
  });
  try {
    const session = await new Promise<MysqlPoolConnection & { readonly config?: unknown }>(
      (resolve, reject) => {
        pool.getConnection((error, got) => (error instanceof Error ? reject(error) : resolve(got)));
      },
    );
    expect(session.config).toMatchObject({ maxPreparedStatements: 1 });
    session.release();
  } finally {
    await new Promise<void>((resolve) => pool.end(() => resolve()));
  }
});
