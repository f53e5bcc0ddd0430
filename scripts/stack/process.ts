// Servers as processes of their own: started in a group of their own with a log file and a pid file,
// ready by a fact and never by a sleep, killed only when pid AND start time AND boot agree, so a
// recycled pid is never hit.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIfPresent } from './paths.ts';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot, from /proc/PID/stat; a string because it is only compared. */
  readonly startTime: string;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly pidFile: string;
}

const POLL_MS = 50;
/** The pid file is there after some ms; a machine that stands still may need seconds. */
const PID_FILE_POLL_MS = 5;
const PID_FILE_MS = 20_000;
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

// The server writes its own pid file and then becomes the server (exec keeps pid and start time):
// there is no moment at which it runs without one, whenever we are killed.
const WRITE_PID_AND_EXEC = `cat /proc/$$/stat ${BOOT_ID_FILE} > "$0.new" && mv "$0.new" "$0" && exec "$@"`;

/** Who runs under this pid now; undefined when nobody does (a zombie is nobody). */
export function identify(pid: number): ProcessId | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** The living process that a pid file names. */
export function readPidFile(file: string): ProcessId | undefined {
  const text = readIfPresent(file);
  if (text === undefined || !text.endsWith(readFileSync(BOOT_ID_FILE, 'utf8'))) return undefined;
  const found = parseStat(text);
  return found && isAlive(found) ? found : undefined;
}

function parseStat(stat: string): ProcessId | undefined {
  // "pid (any text) S ppid ...": the name may hold blanks and brackets, so count after the last one.
  const pid = Number(stat.slice(0, stat.indexOf(' ')));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTime };
}

export async function startServer(server: ServerCommand): Promise<ProcessId> {
  const child = await launch(server);
  child.unref();
  // The child writes its pid file itself. Who asks who runs, or ends everything, before that would not find it: a
  // second MirrorMaker beside the first, which nobody ends.
  const end = performance.now() + PID_FILE_MS;
  for (;;) {
    const id = readPidFile(server.pidFile);
    if (id && id.pid === child.pid) return id;
    const isOver = child.exitCode !== null || child.signalCode !== null || performance.now() > end;
    if (isOver) throw new Error(`${server.command} ended at once:\n${logTail(server.logFile)}`);
    await sleep(PID_FILE_POLL_MS);
  }
}

/** A step of a start, run to its end; like a server it can be found and ended by its pid file. */
export async function runStep(step: ServerCommand): Promise<void> {
  const child = await launch(step);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${step.command} failed (${String(code)}):\n${logTail(step.logFile)}`);
  rmSync(step.pidFile, { force: true });
}

async function launch(server: ServerCommand): Promise<ChildProcess> {
  mkdirSync(dirname(server.logFile), { recursive: true });
  rmSync(server.pidFile, { force: true });
  const log = openSync(server.logFile, 'a');
  const child = spawn('sh', ['-c', WRITE_PID_AND_EXEC, server.pidFile, server.command, ...server.args], {
    cwd: server.cwd,
    env: { ...process.env, ...server.env },
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  return child;
}

/** Asks `probe` until it says yes; gives up when the process ends or the deadline passes. */
export async function waitUntilReady(
  name: string,
  server: ProcessId,
  logFile: string,
  probe: () => Promise<boolean>,
  deadlineMs = 90_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await probe())) {
    if (!isAlive(server)) throw new Error(`${name} ended before it was ready:\n${logTail(logFile)}`);
    if (performance.now() > end) {
      throw new Error(`${name} was not ready after ${deadlineMs} ms:\n${logTail(logFile)}`);
    }
    await sleep(POLL_MS);
  }
}

/**
 * Ends the process a pid file names and waits until it is gone; the pid file goes last.
 * `graceMs` 0 is kill -9 at once, else SIGTERM first.
 */
export async function endProcess(pidFile: string, graceMs: number): Promise<void> {
  const id = readPidFile(pidFile);
  if (id) {
    if (graceMs > 0) {
      signalGroup(id, 'SIGTERM');
      await waitUntilGone(id, graceMs);
    }
    if (isAlive(id)) {
      signalGroup(id, 'SIGKILL');
      if (!(await waitUntilGone(id, 20_000))) throw new Error(`process ${id.pid} survives SIGKILL`);
    }
  }
  rmSync(pidFile, { force: true });
}

/** SIGSTOP or SIGCONT to what a pid file names, with its group: it keeps its connections and answers nobody. */
export function pauseProcess(pidFile: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const id = readPidFile(pidFile);
  if (!id) throw new Error(`no process runs for ${pidFile}`);
  signalGroup(id, signal);
}

function signalGroup(id: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(id)) return;
  try {
    process.kill(-id.pid, signal);
  } catch (error) {
    // Gone between the look and the signal.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function waitUntilGone(id: ProcessId, deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (isAlive(id)) {
    if (performance.now() > end) return false;
    await sleep(POLL_MS / 2);
  }
  return true;
}

export function logTail(logFile: string, lines = 15): string {
  return (readIfPresent(logFile) ?? '').trimEnd().split('\n').slice(-lines).join('\n');
}
