// The way of a database from the first schema to today's, with data in it, whatever interrupted the upgrade.

import { Migrator } from 'kysely/migration';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { createReplayStore } from '../../../src/store/replay-store.ts';
import * as first from '../../../src/store/migrations/0001-first.ts';
import { checkHistories, freshDatabase, TENANT } from '../../support/database.ts';
import type { TestDatabase } from '../../support/database.ts';

const request = { instance: asInstanceId('new'), leaseMs: 30_000, maxRepeat: 10 };
const asked = { by: 'op', why: 'test' };

describe('a database of the first version', () => {
  const STEPS = [
    'ALTER TABLE replay_jobs DROP INDEX replay_jobs_fair',
    'DROP TABLE replay_group_members',
    'DROP TABLE replay_groups',
    'ALTER TABLE webhooks DROP INDEX webhooks_proof',
    ...['proof_lease', 'proof_due', 'proof', 'wire_profile'].map(
      (column) => `ALTER TABLE webhooks DROP COLUMN ${column}`,
    ),
    'DROP TABLE replay_plans',
    'DROP TABLE outbox',
    'ALTER TABLE replay_jobs DROP INDEX replay_jobs_of_webhook',
    'ALTER TABLE replay_jobs DROP INDEX replay_jobs_state',
    'DROP TABLE idempotency_keys',
    'ALTER TABLE replay_jobs DROP KEY replay_jobs_claim, ADD KEY replay_jobs_claim (state, turn, id)',
    'ALTER TABLE replay_jobs DROP COLUMN key_hash',
    'ALTER TABLE dead_letters DROP INDEX dead_letters_by',
    'ALTER TABLE replay_jobs DROP INDEX replay_jobs_ended',
    'ALTER TABLE replay_jobs DROP INDEX replay_jobs_parent',
    'ALTER TABLE replay_jobs DROP COLUMN format',
  ];
  const databases: TestDatabase[] = [];
  afterAll(async () => {
    for (const database of databases) await database.drop();
  });

  async function fresh(): Promise<TestDatabase> {
    const database = await freshDatabase();
    databases.push(database);
    return database;
  }

  /** Made by the first migration alone, with a leased, a waiting and an ended job that its instances wrote. */
  async function ofFirst(): Promise<TestDatabase> {
    const database = await fresh();
    const tables = await database.query<Record<string, string>>('SHOW TABLES');
    for (const name of tables.flatMap((row) => Object.values(row)))
      await database.query(`DROP TABLE ${name}`);
    const provider = { getMigrations: () => Promise.resolve({ '0001-first': first }) };
    await new Migrator({ db: database.open().sessions, provider }).migrateToLatest();
    await database.query(`INSERT INTO webhooks VALUES (7, 'acme', 'http://127.0.0.1:9/', '7', '', '["whsec_dGVzdA=="]',
      NULL, NULL, NULL, NULL, 1, '2026-01-01', '2026-01-01', NULL)`);
    const spec = {
      ...{
        kind: 'range',
        parentJobId: null,
        webhookId: '7',
        key: '7',
        fromMs: 0,
        toMs: 1,
        identity: 'value',
      },
      ...{ filters: [], order: 'any', scan: 'bounded', deliveryMode: 'single', readMode: 'failover' },
      ...{ groupId: null, limits: { maxRate: null, concurrency: null } },
    };
    const facts = (id: number) =>
      [
        { type: 'REQUESTED', spec, by: 'op', to: 'OPEN', fence: 0 },
        { type: 'CLAIMED', fence: 1, owner: 'a', maxRepeat: 10, progress: 0, to: 'STARTED' },
        { type: 'FAILED', fence: 1, reason: 'log_replaced', why: 'x', to: 'FAILED' },
      ].slice(0, id);
    const states = ['', 'OPEN', 'STARTED', 'FAILED'];
    for (const id of [1, 2, 3]) {
      let from: string | null = null;
      for (const [index, { to, ...fact }] of facts(id).entries()) {
        const body = { ...fact, seq: index + 1, atMs: Date.UTC(2026, 0, 1), cut: null, counts: COUNTS };
        const row = [
          id,
          index + 1,
          fact.type,
          from,
          to,
          fact.fence,
          null,
          null,
          null,
          JSON.stringify(body),
          't',
        ];
        await database.query(`INSERT INTO job_transitions VALUES (?, '2026-01-01')`, [row]);
        from = to;
      }
      const leased = id === 2;
      await database.query(
        `INSERT INTO replay_jobs (id, tenant, webhook_id, state, version, last_fact, spec, limits, fence, owner,
           fail_reason, reclaims, idle_reclaims, progress_at_claim, max_repeat, duplicate_bound, counts, created_at,
           updated_at, turn, lease_token, lease_until, progress)
         VALUES (?, 0, 0, 0, ?, 0, ?, '2026-01-01', '2026-01-01', ?, 0)`,
        [
          [
            id,
            'acme',
            7,
            states[id],
            id,
            facts(id).at(-1)?.type,
            JSON.stringify(spec),
            JSON.stringify(spec.limits),
          ].concat([id > 1 ? 1 : 0, leased ? 'a' : null, id === 3 ? 'log_replaced' : null] as never[]),
          id > 1 ? 10 : 0,
          JSON.stringify(COUNTS),
          [leased ? 1 : 0, leased ? 'token' : null, leased ? '2026-01-01' : null],
        ],
      );
    }
    await database.query(
      `INSERT INTO dead_letters VALUES (3, 's', 0, 5, 'e', 1, 'http_410', 410, 1, 'open', NULL)`,
    );
    return database;
  }

  /** What tells one schema from another, whatever the order in which indexes were added. */
  async function schemaOf(database: TestDatabase): Promise<readonly string[]> {
    const names = ['replay_plans', 'replay_jobs', 'idempotency_keys', 'dead_letters', 'webhooks'];
    names.push('job_transitions', 'outbox', 'replay_groups', 'replay_group_members');
    const made = await Promise.all(
      names.map((name) => database.query<Record<string, string>>(`SHOW CREATE TABLE ${name}`)),
    );
    return made.flatMap(([row]) =>
      (row?.['Create Table'] ?? '')
        .split('\n')
        .map((line) => line.replace(/,$/, ''))
        .toSorted(),
    );
  }

  async function isWhole(database: TestDatabase): Promise<void> {
    expect(await checkHistories(database)).toBe(3);
    expect(await database.query('SELECT id, format FROM replay_jobs ORDER BY id')).toEqual(
      [1, 2, 3].map((id) => ({ id: String(id), format: 1 })),
    );
    expect(await database.query('SELECT offset_no, state FROM dead_letters')).toEqual([
      { offset_no: '5', state: 'open' },
    ]);
  }

  let today: readonly string[];
  beforeAll(async () => {
    today = await schemaOf(await fresh());
  });

  it('comes to the schema of a new install with its data, and its jobs go on', async () => {
    const database = await ofFirst();
    await database.open().migrate();
    await isWhole(database);
    expect(await schemaOf(database)).toEqual(today);
    const db = database.open();
    const jobs = createJobStore(db);
    const replays = createReplayStore(db);
    const [again, ...others] = await jobs.reclaim(request, 8);
    expect(others).toEqual([]);
    expect(again?.lease).toMatchObject({ jobId: '2', fence: 2 });
    if (!again) throw new Error('nothing was reclaimed');
    await jobs.commit(again.job.id, { type: 'RELEASED', fence: 2, why: 'test' }, again.lease);
    await replays.steer(TENANT, again.job.id, { type: 'CANCEL_REQUESTED', ...asked });
    expect(await jobs.prune(60_000, 100)).toBe(1);
    expect(await checkHistories(database)).toBe(2);
  });

  it('is upgraded again after a crash between any two steps, also by several at once', async () => {
    const database = await ofFirst();
    await database.open().migrate();
    for (let undone = 0; undone <= STEPS.length; undone++) {
      for (const undo of STEPS.slice(0, undone)) await database.query(undo);
      await database.query(`DELETE FROM kysely_migration WHERE name > '0001-first'`);
      await Promise.all([1, 2].map(() => database.open().migrate()));
      expect(await schemaOf(database), `${undone} steps undone`).toEqual(today);
      await isWhole(database);
    }
  });
});

const COUNTS = {
  ...{ scanned: 0, matched: 0, duplicates: 0, filtered: 0, tombstones: 0, delivered: 0 },
  ...{ deadLettered: 0, unanswered: 0, maybeRepeated: 0, evicted: 0 },
};
