// A stack: one database and one Kafka broker per site below `.reprise/<name>/`, started together and
// stopped together.
//
//   untied (npm run stack)   keeps running and keeps its data until it is stopped
//   tied   (tests, demo)     begins empty and ends with the process that started it, even when that
//                            process is killed with SIGKILL: reaper.ts watches it
//
// The pid files are the truth about what runs. Start and stop of one name exclude each other.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { databaseUrl, rootDatabaseUrl, startDatabase } from './database.ts';
import type { DatabaseBrand, DatabaseKind } from './database.ts';
import { startKafka } from './kafka.ts';
import { withLock } from './lock.ts';
import { mariadb } from './mariadb.ts';
import { mysql } from './mysql.ts';
import { stackDir } from './paths.ts';
import { endProcess, identify, startServer } from './process.ts';
import {
  databaseDir,
  databasePidFile,
  endServers,
  kafkaPidFile,
  reaperPidFile,
  runningOf,
  settle,
  siteDir,
} from './servers.ts';
import { claim, readState, writeState } from './state.ts';
import type { SiteState, StackState } from './state.ts';

export interface StackOptions {
  readonly name: string;
  readonly database?: DatabaseKind | 'none';
  /** One broker (and cluster) each; [] for no Kafka. Default: one site named "local". */
  readonly sites?: readonly string[];
  /** Begin empty and end with this process. */
  readonly tied?: boolean;
}

export interface Stack {
  readonly name: string;
  readonly dir: string;
  /** Bootstrap address of the first site. */
  readonly brokers: string;
  readonly sites: readonly { readonly name: string; readonly brokers: string }[];
  readonly databaseUrl: string;
  readonly rootDatabaseUrl: string;
  /** kill -9, returns when the process is gone. Data and ports stay. */
  killKafka(site?: string): Promise<void>;
  startKafka(site?: string): Promise<void>;
  killDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  stop(options?: { wipe?: boolean }): Promise<void>;
}

export interface StackStatus {
  readonly state: StackState | undefined;
  readonly running: Readonly<Record<string, number | undefined>>;
}

const GRACE_MS = 20_000;
const brands: Readonly<Record<DatabaseKind, DatabaseBrand>> = { mariadb, mysql };

export async function startStack(options: StackOptions): Promise<Stack> {
  const { name, database = 'mariadb', sites = ['local'], tied = false } = options;
  const dir = stackDir(name);
  return withLock(`stack-${name}`, async () => {
    const before = readState(dir);
    if (before && allRun(dir, before)) return open(dir, sameOrThrow(before, database, sites));
    await endAll(dir, tied ? 0 : GRACE_MS);
    if (tied) rmSync(dir, { recursive: true, force: true });
    else if (before) sameOrThrow(before, database, sites);
    const state = await claim({ name, database, sites }, databaseUrl);
    await startReaper(dir, tied);
    try {
      const starts = state.sites.map((site) => startKafka(kafkaPlace(dir, site)));
      if (database !== 'none') starts.push(startDatabase(brands[database], databasePlace(dir, state)));
      await settle(starts);
    } catch (error) {
      // The reaper stays, and with it the logs of a tied stack, until this process ends.
      await endServers(dir, 0);
      throw error;
    }
    if (!tied) await endProcess(reaperPidFile(dir), 0);
    writeState({ ...state, pids: definedOnly(runningOf(dir)) });
    return open(dir, state);
  });
}

export function stopStack(name: string, options: { wipe?: boolean } = {}): Promise<void> {
  const dir = stackDir(name);
  return withLock(`stack-${name}`, async () => {
    await endAll(dir, options.wipe === true ? 0 : GRACE_MS);
    if (options.wipe === true) rmSync(dir, { recursive: true, force: true });
  });
}

export function statusOf(name: string): StackStatus {
  const dir = stackDir(name);
  return { state: readState(dir), running: runningOf(dir) };
}

function open(dir: string, state: StackState): Stack {
  const siteNamed = (name = state.sites[0]?.name): SiteState => {
    const site = state.sites.find((each) => each.name === name);
    if (!site) throw new Error(`stack "${state.name}" has no site "${String(name)}"`);
    return site;
  };
  return {
    name: state.name,
    dir,
    brokers: state.sites[0] ? `127.0.0.1:${state.sites[0].port}` : '',
    sites: state.sites.map((site) => ({ name: site.name, brokers: `127.0.0.1:${site.port}` })),
    databaseUrl: state.databaseUrl,
    rootDatabaseUrl: state.database === 'none' ? '' : rootDatabaseUrl(state.databasePort),
    killKafka: (site) => endProcess(kafkaPidFile(siteDir(dir, siteNamed(site).name)), 0),
    startKafka: (site) => startKafka(kafkaPlace(dir, siteNamed(site))),
    killDatabase: () => endProcess(databasePidFile(databaseDir(dir)), 0),
    async startDatabase() {
      if (state.database !== 'none') await startDatabase(brands[state.database], databasePlace(dir, state));
    },
    stop: (options) => stopStack(state.name, options),
  };
}

const kafkaPlace = (dir: string, site: SiteState) => ({ ...site, dir: siteDir(dir, site.name) });
const databasePlace = (dir: string, state: StackState) => ({
  dir: databaseDir(dir),
  port: state.databasePort,
});

function sameOrThrow(state: StackState, database: string, sites: readonly string[]): StackState {
  const has = `${state.database} with sites [${state.sites.map((site) => site.name).join()}]`;
  const wanted = `${database} with sites [${sites.join()}]`;
  if (has === wanted) return state;
  throw new Error(
    `stack "${state.name}" holds data of ${has}, not ${wanted}: stop it with --wipe or take another name`,
  );
}

function allRun(dir: string, state: StackState): boolean {
  const running = runningOf(dir);
  const wanted = state.sites.map((site) => `kafka-${site.name}`);
  if (state.database !== 'none') wanted.push('database');
  return wanted.every((name) => running[name] !== undefined);
}

/** Ends every process of a stack. The reaper goes first: what it would do is being done. */
async function endAll(dir: string, graceMs: number): Promise<void> {
  if (!existsSync(dir)) return;
  await endProcess(reaperPidFile(dir), 0);
  await endServers(dir, graceMs);
}

/** While a stack starts, an untied one has a reaper too: Ctrl-C must not leave half of it running. */
async function startReaper(dir: string, tied: boolean): Promise<void> {
  const owner = identify(process.pid);
  if (!owner) throw new Error('cannot read /proc: a tied stack needs Linux');
  await startServer({
    command: process.execPath,
    args: [
      join(import.meta.dirname, 'reaper.ts'),
      dir,
      String(owner.pid),
      owner.startTime,
      tied ? 'wipe' : 'keep',
    ],
    cwd: dir,
    logFile: join(dir, 'reaper.log'),
    pidFile: reaperPidFile(dir),
  });
}

function definedOnly(running: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(running).flatMap(([name, pid]) => (pid === undefined ? [] : [[name, pid]])),
  );
}
