// What the database tells about many jobs: how they ended, how long they took, and how many statements that cost.

import { sql } from 'kysely';
import mysql from 'mysql2/promise';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Database } from '../../src/store/database.ts';
import { percentile } from './figures.ts';

export interface Ended {
  readonly live: number;
  /** COMPLETED with the outcome `complete`. */
  readonly complete: number;
  readonly delivered: number;
}

export interface JobTimes {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Statements by the server's own name for them. */
export type Statements = Readonly<Record<string, number>>;

/** Jobs with an id from `first` on. */
export async function endedJobs({ sessions }: Database, first: string): Promise<Ended> {
  // Live ones first, by the index alone: this is asked again and again while the jobs are measured.
  const { rows: live } = await sql<{ jobs: number }>`
    SELECT COUNT(*) AS jobs FROM replay_jobs
    WHERE state IN ('OPEN', 'STARTED', 'ONGOING', 'PAUSED') AND id >= ${BigInt(first)}`.execute(sessions);
  const left = Number(live[0]?.jobs);
  if (left > 0) return { live: left, complete: 0, delivered: 0 };
  const { rows } = await sql<{ complete: string; delivered: string }>`
    SELECT SUM(state = 'COMPLETED' AND outcome = 'complete') AS complete,
      SUM(JSON_EXTRACT(counts, '$.delivered')) AS delivered
    FROM replay_jobs WHERE id >= ${BigInt(first)}`.execute(sessions);
  return { live: 0, complete: Number(rows[0]?.complete), delivered: Number(rows[0]?.delivered) };
}

/** From CLAIMED to DRAINED, by the times of the facts. */
export async function jobTimes({ sessions }: Database, first: string): Promise<JobTimes> {
  const { rows } = await sql<{ micros: string }>`
    SELECT TIMESTAMPDIFF(MICROSECOND, claimed.at, drained.at) AS micros
    FROM job_transitions claimed JOIN job_transitions drained
      ON drained.job_id = claimed.job_id AND drained.type = 'DRAINED'
    WHERE claimed.job_id >= ${BigInt(first)} AND claimed.type = 'CLAIMED'`.execute(sessions);
  const ms = rows.map(({ micros }) => Number(micros) / 1_000);
  return { p50Ms: percentile(ms, 0.5), p99Ms: percentile(ms, 0.99) };
}

const COUNTED = ['Questions', 'Com_select', 'Com_update', 'Com_insert', 'Com_begin', 'Com_commit'];
const ALSO = ['Com_rollback', 'Com_delete', 'Com_set_option', 'Innodb_rows_read', 'Connections'];

/** Counters of the whole server since it was opened. */
export class ServerCount {
  readonly #connection: Connection;
  readonly #before: Statements;

  private constructor(connection: Connection, before: Statements) {
    this.#connection = connection;
    this.#before = before;
  }

  static async open(rootUrl: string): Promise<ServerCount> {
    const connection = await mysql.createConnection(rootUrl);
    return new ServerCount(connection, await countersOf(connection));
  }

  /** What was counted; ends the connection. */
  async close(): Promise<Statements> {
    const now = await countersOf(this.#connection);
    await this.#connection.end();
    return Object.fromEntries(
      Object.entries(now).map(([name, value]) => [name, value - (this.#before[name] ?? 0)]),
    );
  }
}

async function countersOf(connection: Connection): Promise<Statements> {
  const [rows] = await connection.query<RowDataPacket[]>('SHOW GLOBAL STATUS WHERE Variable_name IN (?)', [
    [...COUNTED, ...ALSO],
  ]);
  const found = new Map(rows.map((row) => [String(row['Variable_name']), Number(row['Value'])]));
  return Object.fromEntries(
    [...COUNTED, ...ALSO].flatMap((name) => {
      const value = found.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
