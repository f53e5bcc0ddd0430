// Faults of database sessions: KILL of the instances' connections, and a rogue session that holds locks for a
// while, longer than a lease too. What cannot be done because the database is away is not counted.

import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { World } from './world.ts';

const LOCKS = {
  'locks on job rows': ["SELECT id FROM replay_jobs WHERE state IN ('STARTED', 'ONGOING') FOR UPDATE"],
  'locks on webhook rows': ['SELECT id FROM webhooks FOR UPDATE'],
  'locks on transitions': [
    `INSERT INTO job_transitions (job_id, seq, type, from_state, to_state, fence, owner, body, tx_tag, at)
     SELECT id, version + 1, 'FAILED', 'ONGOING', 'FAILED', fence, owner, '{}', 'rogue', UTC_TIMESTAMP(6)
     FROM replay_jobs WHERE state IN ('STARTED', 'ONGOING')`,
  ],
  'locked tables': ['LOCK TABLES job_transitions WRITE'],
} as const;
const FAULTS = ['KILL of connections', ...(Object.keys(LOCKS) as (keyof typeof LOCKS)[])] as const;

export async function sessionFaults(world: World): Promise<void> {
  const random = world.random.fork('sessions');
  const draw = random.bag([...FAULTS, 'KILL of connections' as const]);
  for (;;) {
    const fault = draw();
    const restMs = random.int(2_000, 7_000);
    const holdMs = random.int(200, 4_000);
    await world.rest(restMs);
    if (world.isEnding) return;
    const rogue = await connect(world);
    if (!rogue) continue;
    try {
      if (fault === 'KILL of connections') await killOthers(world, rogue);
      else await hold(world, rogue, fault, holdMs);
    } catch (error) {
      world.timeline.note('a session fault could not be done', { fault, why: String(error).slice(0, 200) });
    } finally {
      rogue.destroy();
    }
  }
}

async function connect({ stack }: World): Promise<Connection | null> {
  try {
    const rogue = await mysql.createConnection({ uri: stack.databaseUrl, connectTimeout: 1_500 });
    rogue.on('error', () => undefined);
    await rogue.query({
      sql: 'SET SESSION innodb_lock_wait_timeout = 2, SESSION lock_wait_timeout = 2',
      timeout: 2_000,
    });
    return rogue;
  } catch {
    return null;
  }
}

async function killOthers({ timeline }: World, rogue: Connection): Promise<void> {
  const [rows] = await rogue.query<RowDataPacket[]>({
    sql: 'SELECT id AS id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
    timeout: 2_000,
  });
  // One that ended by itself meanwhile is unknown to KILL.
  for (const { id } of rows as { id: number }[]) await rogue.query(`KILL ${id}`).catch(() => undefined);
  timeline.fault('KILL of connections', { connections: rows.length });
}

/** The locks end with the session; nothing of it is ever committed. */
async function hold(
  { timeline }: World,
  rogue: Connection,
  fault: keyof typeof LOCKS,
  ms: number,
): Promise<void> {
  await rogue.query({ sql: 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', timeout: 3_000 });
  await rogue.query({ sql: 'SET autocommit = 0', timeout: 3_000 });
  for (const sql of LOCKS[fault]) await rogue.query({ sql, timeout: 3_000 });
  timeline.fault(fault, { ms });
  await sleep(ms);
}
