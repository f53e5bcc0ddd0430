// A stack: one database, a Kafka cluster per site (of one broker or several) and MirrorMaker between the sites,
// below `.reprise/<name>/`, started together and stopped together.
//
//   untied (npm run stack)   keeps running and keeps its data until it is stopped
//   tied   (tests, demo)     begins empty and ends with the process that started it, even when that
//                            process is killed with SIGKILL: reaper.ts watches it
//
// The pid files are the truth about what runs. Start and stop of one name exclude each other.
import { existsSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { databaseUrl } from './database.ts';
import type { DatabaseKind } from './database.ts';
import { startKafka } from './kafka.ts';
import { withLock } from './lock.ts';
import { allFlows } from './mirror-flows.ts';
import type { MirrorFlow } from './mirror-flows.ts';
import { startMirror } from './mirror.ts';
import { GRACE_MS, kafkaPlaces, mirrorPlace, openStack, startDatabaseOf } from './opened.ts';
import type { Stack } from './opened.ts';
import { stackDir } from './paths.ts';
import { endProcess, identify, startServer } from './process.ts';
import { endServers, reaperPidFile, runningOf, settle } from './servers.ts';
import { brokersOf, claim, readState, writeState } from './state.ts';
import type { StackState, Wanted } from './state.ts';

export type { Stack } from './opened.ts';

export interface StackOptions {
  readonly name: string;
  readonly database?: DatabaseKind | 'none';
  /** One cluster each; [] for no Kafka. Default: one site named "local". */
  readonly sites?: readonly string[];
  /** Of each site. Several hold every topic, up to three copies of it. Default 1. */
  readonly brokersPerSite?: number;
  /** What MirrorMaker copies; [] for no MirrorMaker. Default: `delivery_log` of every site to every other. */
  readonly flows?: readonly MirrorFlow[];
  /** Begin empty and end with this process. */
  readonly tied?: boolean;
}

export interface StackStatus {
  readonly state: StackState | undefined;
  readonly running: Readonly<Record<string, number | undefined>>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const { name, database = 'mariadb', sites = ['local'], brokersPerSite = 1, tied = false } = options;
  const wanted = { name, database, sites, brokersPerSite, flows: options.flows ?? allFlows(sites) };
  const dir = stackDir(name);
  return withLock(`stack-${name}`, async () => {
    const before = readState(dir);
    if (before && allRun(dir, before)) return stackOf(sameOrThrow(before, wanted));
    await endAll(dir, tied ? 0 : GRACE_MS);
    if (tied) rmSync(dir, { recursive: true, force: true });
    else if (before) sameOrThrow(before, wanted);
    const state = await claim(wanted, databaseUrl);
    await startReaper(dir, tied);
    try {
      const starts = state.sites.flatMap((site) => kafkaPlaces(dir, site)).map(startKafka);
      await settle([...starts, startDatabaseOf(dir, state)]);
      if (wanted.flows.length > 0) await startMirror(mirrorPlace(dir, state));
    } catch (error) {
      // The reaper stays, and with it the logs of a tied stack, until this process ends.
      await endServers(dir, 0);
      throw error;
    }
    if (!tied) await endProcess(reaperPidFile(dir), 0);
    writeState({ ...state, pids: definedOnly(runningOf(dir)) });
    return stackOf(state);
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

/** A stack whose state was read, whether it runs or not. */
export function stackOf(state: StackState): Stack {
  return openStack(stackDir(state.name), state, (options) => stopStack(state.name, options));
}

function sameOrThrow(state: StackState, wanted: Wanted): StackState {
  const has = inWords(
    state.database,
    state.sites.map((site) => site.name),
    state.sites[0] ? brokersOf(state.sites[0]).length : wanted.brokersPerSite,
  );
  const asked = inWords(wanted.database, wanted.sites, wanted.brokersPerSite);
  if (has === asked) return state;
  throw new Error(
    `stack "${state.name}" holds data of ${has}, not ${asked}: stop it with --wipe or take another name`,
  );
}

function inWords(database: string, sites: readonly string[], brokers: number): string {
  return `${database} with sites [${sites.join()}]${brokers === 1 ? '' : ` of ${brokers} brokers`}`;
}

function allRun(dir: string, state: StackState): boolean {
  const running = runningOf(dir);
  const wanted = state.sites.flatMap((site) => kafkaPlaces(dir, site)).map((place) => basename(place.dir));
  if (state.database !== 'none') wanted.push('database');
  if ((state.flows ?? []).length > 0) wanted.push('mirror');
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
