// The folders and pid files of a stack, and the end of everything they name. Apart from stack.ts so
// that the reaper, which needs only this, stays small: no Kafka or database client in its memory.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endProcess, readPidFile } from './process.ts';

export const kafkaPidFile = (dir: string): string => join(dir, 'kafka.pid');
export const mirrorPidFile = (dir: string): string => join(dir, 'mirror.pid');
export const databasePidFile = (dir: string): string => join(dir, 'database.pid');
/** Of the step that prepares a server's folder. */
export const stepPidFile = (dir: string): string => join(dir, 'step.pid');
/** Of a site's only broker, or of the n-th of several: no site's name holds a dot. */
export const siteDir = (dir: string, site: string, broker?: number): string =>
  join(dir, broker === undefined ? `kafka-${site}` : `kafka-${site}.${broker}`);
export const mirrorDir = (dir: string): string => join(dir, 'mirror');
export const databaseDir = (dir: string): string => join(dir, 'database');
export const reaperPidFile = (dir: string): string => join(dir, 'reaper.pid');

const MIRROR_GRACE_MS = 3_000;

/** All pid files of a stack by name; the brokers' folders are found, so leftovers are too. */
function pidFilesOf(dir: string): Record<string, string> {
  const folders = existsSync(dir) ? readdirSync(dir).filter((folder) => folder.startsWith('kafka-')) : [];
  return {
    ...(existsSync(mirrorDir(dir)) && { mirror: mirrorPidFile(mirrorDir(dir)) }),
    database: databasePidFile(databaseDir(dir)),
    ...Object.fromEntries(folders.map((folder) => [folder, kafkaPidFile(join(dir, folder))])),
  };
}

export function runningOf(dir: string): Record<string, number | undefined> {
  return Object.fromEntries(
    Object.entries(pidFilesOf(dir)).map(([name, file]) => [name, readPidFile(file)?.pid]),
  );
}

export async function endServers(dir: string, graceMs: number): Promise<void> {
  const servers = Object.values(pidFilesOf(dir));
  // MirrorMaker's clean end waits for what the brokers do not answer any more.
  await endProcess(mirrorPidFile(mirrorDir(dir)), Math.min(graceMs, MIRROR_GRACE_MS));
  await settle(servers.map((file) => endProcess(stepPidFile(dirname(file)), 0)));
  await settle(servers.map((file) => endProcess(file, graceMs)));
}

/** Waits for all, also when one fails, so that nothing is still starting while we clean up. */
export async function settle(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
