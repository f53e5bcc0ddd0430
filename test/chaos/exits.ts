// What was seen from outside when an instance was asked to stop: when, with which code it ended, and which replays
// its leases still held just then, by the database's clock.

import mysql from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';

export interface Exit {
  readonly instance: string;
  readonly askedMs: number;
  readonly endedMs: number;
  /** 'hung' = it had to be killed. */
  readonly code: number | string;
  /** null = the database did not answer at once, so nobody can tell. */
  readonly held: readonly string[] | null;
}

const PATIENCE_MS = 1_500;

export async function heldBy(databaseUrl: string, instance: string): Promise<readonly string[] | null> {
  try {
    const connection = await mysql.createConnection({ uri: databaseUrl, connectTimeout: PATIENCE_MS });
    connection.on('error', () => undefined);
    try {
      const [rows] = await connection.query<RowDataPacket[]>({
        sql: `SELECT CAST(id AS CHAR) AS id FROM replay_jobs
              WHERE owner LIKE ? AND lease_until > UTC_TIMESTAMP(6)`,
        values: [`${instance}-%`],
        timeout: PATIENCE_MS,
      });
      return rows.map(({ id }) => String(id));
    } finally {
      connection.destroy();
    }
  } catch {
    return null;
  }
}
