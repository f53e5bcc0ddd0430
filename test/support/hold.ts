// Ways to hold a stage of a job still, so that a fault hits it every time: answers that are not given yet, and
// row locks of a session beside the product's. And one to break the product's own sessions.

import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { TestDatabase } from './database.ts';
import type { ScriptedAnswer } from './receiver.ts';

/** Answers that wait until `open` is called. */
export interface Held {
  readonly answer: ScriptedAnswer;
  open(): void;
}

export function held(status = 200): Held {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return {
    answer: { status, after: promise },
    open: () => {
      resolve(undefined);
    },
  };
}

export interface Lock {
  /** Ends the rogue's transaction without a trace. */
  release(): Promise<void>;
}

/** Who wants to write the transition `seq` of the job waits for us (and gives up after its lock deadline). */
export async function holdTransition(database: TestDatabase, jobId: string, seq: number): Promise<Lock> {
  return hold(database, (rogue) =>
    rogue.query(
      `INSERT INTO job_transitions (job_id, seq, type, from_state, to_state, fence, owner, body, tx_tag, at)
       SELECT job_id, ?, type, from_state, to_state, fence, owner, body, 'rogue', at
       FROM job_transitions WHERE job_id = ? AND seq = 1`,
      [seq, BigInt(jobId)],
    ),
  );
}

/** Who wants to write the job's row waits for us: no fact, no cut, no heartbeat. */
export async function holdRow(database: TestDatabase, jobId: string): Promise<Lock> {
  return hold(database, (rogue) =>
    rogue.query('SELECT id FROM replay_jobs WHERE id = ? FOR UPDATE', [BigInt(jobId)]),
  );
}

async function hold(database: TestDatabase, take: (rogue: Connection) => Promise<unknown>): Promise<Lock> {
  const rogue = await database.connect();
  await rogue.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  await rogue.beginTransaction();
  await take(rogue);
  return { release: () => rogue.rollback() };
}

/** KILLs every session of the database, whatever it is doing; also those of the test's own pools. */
export async function killConnections(database: TestDatabase): Promise<void> {
  const rogue = await database.connect();
  const [rows] = await rogue.query<RowDataPacket[]>(
    'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
  );
  for (const { id } of rows as { id: number }[]) {
    // One that ended by itself meanwhile is unknown to KILL.
    await rogue.query(`KILL ${id}`).catch(() => undefined);
  }
  rogue.destroy();
}
