// The machine and the servers that the figures belong to.

import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import mysql from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';
import { kafkaVersion } from '../../scripts/stack/artifacts.ts';

export async function describeMachine(databaseUrl: string): Promise<string> {
  const model = cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown';
  return [
    `${availableParallelism()} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
    `Node ${process.version}, Kafka ${kafkaVersion()}, ${await databaseVersion(databaseUrl)}`,
  ].join('; ');
}

export async function databaseVersion(url: string): Promise<string> {
  const connection = await mysql.createConnection(url);
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version');
    const version = String(rows[0]?.['version']);
    return version.includes('MariaDB') ? version : `${version} MySQL`;
  } finally {
    connection.destroy();
  }
}
