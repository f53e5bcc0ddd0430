// What MariaDB and MySQL have in common: started on a folder, a port and loopback only, ready when
// they answer SQL, with a user for the application. The password is no secret: it guards data of
// a developer's machine behind 127.0.0.1.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { readPidFile, runStep, startServer, waitUntilReady } from './process.ts';
import { databasePidFile, stepPidFile } from './servers.ts';

export type DatabaseKind = 'mariadb' | 'mysql';

export interface DatabasePlace {
  readonly dir: string;
  readonly port: number;
}

/** One brand: how its folder is made and how it is called. */
export interface DatabaseBrand {
  readonly name: string;
  /** The command that makes the folder. */
  initialize(dataDir: string): Promise<readonly string[]>;
  command(dataDir: string): Promise<readonly string[]>;
}

export const databaseLogFile = (dir: string): string => join(dir, 'database.log');
export const databaseUrl = (port: number): string => `mysql://reprise:reprise@127.0.0.1:${port}/reprise`;
export const rootDatabaseUrl = (port: number): string => `mysql://root@127.0.0.1:${port}/mysql`;

/** Both refuse to run as root unless told so by name. */
export const userArgs = (): readonly string[] => (process.getuid?.() === 0 ? ['--user=root'] : []);

export async function startDatabase(brand: DatabaseBrand, place: DatabasePlace): Promise<void> {
  const { dir, port } = place;
  if (readPidFile(databasePidFile(dir))) return;
  mkdirSync(dir, { recursive: true });
  const dataDir = join(dir, 'data');
  if (!existsSync(dataDir)) await initializeWhole(brand, dir, dataDir);
  const tempDir = join(dir, 'tmp');
  mkdirSync(tempDir, { recursive: true });
  const [program, ...args] = await brand.command(dataDir);
  if (program === undefined) throw new Error(`no command for ${brand.name}`);
  const logFile = databaseLogFile(dir);
  const server = await startServer({
    command: program,
    args: [
      ...args,
      `--datadir=${dataDir}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      // Relative, so inside the data folder: a socket's whole path may have 107 bytes at most.
      '--socket=server.sock',
      // In a folder of its own: what cleans the system's /tmp must not break a query here.
      `--tmpdir=${tempDir}`,
      '--skip-name-resolve',
      '--max-connections=500',
      '--character-set-server=utf8mb4',
      // The promise under test: what was committed survives kill -9.
      '--innodb-flush-log-at-trx-commit=1',
    ],
    cwd: dir,
    logFile,
    pidFile: databasePidFile(dir),
  });
  await waitUntilReady(brand.name, server, logFile, () => createUser(port));
}

async function initializeWhole(brand: DatabaseBrand, dir: string, dataDir: string): Promise<void> {
  const partial = `${dataDir}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const [program = '', ...args] = await brand.initialize(partial);
  await runStep({
    command: program,
    args,
    cwd: dir,
    logFile: databaseLogFile(dir),
    pidFile: stepPidFile(dir),
  });
  renameSync(partial, dataDir);
}

/** Doubles as the probe: false while the server does not answer. May grow any `reprise...` database. */
async function createUser(port: number): Promise<boolean> {
  let connection: mysql.Connection | undefined;
  try {
    connection = await mysql.createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      connectTimeout: 2_000,
    });
    await connection.query("CREATE USER IF NOT EXISTS 'reprise'@'%' IDENTIFIED BY 'reprise'");
    await connection.query("GRANT ALL PRIVILEGES ON `reprise%`.* TO 'reprise'@'%'");
    await connection.query('CREATE DATABASE IF NOT EXISTS reprise CHARACTER SET utf8mb4');
    return true;
  } catch (error) {
    if (error instanceof Error && 'sqlState' in error && error.sqlState !== '08S01') throw error;
    return false;
  } finally {
    connection?.destroy();
  }
}
