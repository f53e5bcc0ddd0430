// The machine and the servers that the figures belong to, and how busy others kept it meanwhile.

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import mysql from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';
import { kafkaVersion } from '../../scripts/stack/artifacts.ts';
import { cpuMicros } from './process-watch.ts';

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

/** CPU time that processes outside of the bench take, since it was made. */
export class Busyness {
  readonly #pids: readonly number[];
  readonly #startedMs = performance.now();
  readonly #usedBefore = usedMicros();
  readonly #ownBefore: number;

  /** `pids`: those of the bench. */
  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#ownBefore = this.#own();
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Of all cores, 0 to 1. */
  get foreignShare(): number {
    const foreign = usedMicros() - this.#usedBefore - (this.#own() - this.#ownBefore);
    return Math.max(0, foreign / (this.elapsedMs * 1_000 * availableParallelism()));
  }

  #own(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuMicros(pid), 0);
  }
}

/** All cores, everything but idle and waiting for disks: what was stolen by other machines counts too. */
function usedMicros(): number {
  const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).map(Number);
  const used = ticks.slice(0, 8).reduce((sum, each, at) => (at === 3 || at === 4 ? sum : sum + each), 0);
  // USER_HZ is 100 on every Linux that Node runs on.
  return used * 10_000;
}
