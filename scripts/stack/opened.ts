// A started stack in the hands of a program: where its parts are, and how each is killed, stopped, frozen and started
// again. Whole stacks are started and ended in stack.ts.
import { rootDatabaseUrl, startDatabase } from './database.ts';
import type { DatabaseBrand, DatabaseKind } from './database.ts';
import { startKafka } from './kafka.ts';
import type { KafkaPlace } from './kafka.ts';
import { mariadb } from './mariadb.ts';
import { sitesSetting } from './mirror-flows.ts';
import type { MirrorFlow } from './mirror-flows.ts';
import { startMirror, untilMirrored } from './mirror.ts';
import type { MirrorPlace } from './mirror.ts';
import { mysql } from './mysql.ts';
import { endProcess, pauseProcess } from './process.ts';
import {
  databaseDir,
  databasePidFile,
  kafkaPidFile,
  mirrorDir,
  mirrorPidFile,
  settle,
  siteDir,
} from './servers.ts';
import { addressesOf, brokersOf } from './state.ts';
import type { SiteState, StackState } from './state.ts';

/** `site` may be left out where there is one, `broker` (1, 2, ..) where a site has one. */
export interface Stack {
  readonly name: string;
  readonly dir: string;
  /** Bootstrap addresses of the first site. */
  readonly brokers: string;
  readonly sites: readonly { readonly name: string; readonly brokers: string }[];
  /** REPRISE_SITES for a log in `delivery_log` and its copies. */
  readonly sitesSetting: string;
  readonly databaseUrl: string;
  readonly rootDatabaseUrl: string;
  /** kill -9, returns when the process is gone. Data and ports stay. Without `broker`: all of the site. */
  killKafka(site?: string, broker?: number): Promise<void>;
  /** A clean stop: the broker hands its leaderships over first. */
  stopKafka(site?: string, broker?: number): Promise<void>;
  startKafka(site?: string, broker?: number): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers; `thawKafka` is SIGCONT. */
  freezeKafka(site?: string, broker?: number): void;
  thawKafka(site?: string, broker?: number): void;
  killMirror(): Promise<void>;
  /** Also with other flows than those of the stack, for this once. */
  startMirror(flows?: readonly MirrorFlow[], properties?: Readonly<Record<string, string>>): Promise<void>;
  freezeMirror(): void;
  thawMirror(): void;
  /** Waits until every flow that copies `topic` made its copy, with all partitions led. Default 120 s. */
  untilMirrored(topic: string, deadlineMs?: number): Promise<void>;
  killDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  stop(options?: { wipe?: boolean }): Promise<void>;
}

/** How long a clean stop may take. */
export const GRACE_MS = 20_000;
const brands: Readonly<Record<DatabaseKind, DatabaseBrand>> = { mariadb, mysql };

export function openStack(dir: string, state: StackState, stop: Stack['stop']): Stack {
  const sites = state.sites.map((site) => ({ name: site.name, brokers: addressesOf(site) }));
  const mirror = mirrorPlace(dir, state);
  let running = mirror;
  const mirrorPid = mirrorPidFile(mirror.dir);
  return {
    name: state.name,
    dir,
    brokers: sites[0]?.brokers ?? '',
    sites,
    sitesSetting: sitesSetting(sites, mirror.flows),
    databaseUrl: state.databaseUrl,
    rootDatabaseUrl: state.database === 'none' ? '' : rootDatabaseUrl(state.databasePort),
    ...kafkaOperations(dir, state),
    killMirror: () => endProcess(mirrorPid, 0),
    startMirror: (flows = mirror.flows, properties = {}) => {
      running = { ...mirror, flows, properties };
      return startMirror(running);
    },
    freezeMirror: () => {
      pauseProcess(mirrorPid, 'SIGSTOP');
    },
    thawMirror: () => {
      pauseProcess(mirrorPid, 'SIGCONT');
    },
    untilMirrored: (topic, deadlineMs = 120_000) => untilMirrored(running, topic, deadlineMs),
    killDatabase: () => endProcess(databasePidFile(databaseDir(dir)), 0),
    startDatabase: () => startDatabaseOf(dir, state),
    stop,
  };
}

type KafkaOperation = 'killKafka' | 'stopKafka' | 'startKafka' | 'freezeKafka' | 'thawKafka';

function kafkaOperations(dir: string, state: StackState): Pick<Stack, KafkaOperation> {
  const places = (name = state.sites[0]?.name, broker?: number): readonly KafkaPlace[] => {
    const site = state.sites.find((each) => each.name === name);
    if (!site) throw new Error(`stack "${state.name}" has no site "${String(name)}"`);
    const all = kafkaPlaces(dir, site);
    if (broker === undefined) return all;
    const place = all[broker - 1];
    if (!place) throw new Error(`site "${site.name}" has no broker ${broker}`);
    return [place];
  };
  const pidFiles = (...which: Parameters<typeof places>): readonly string[] =>
    places(...which).map((place) => kafkaPidFile(place.dir));
  const pause =
    (signal: 'SIGSTOP' | 'SIGCONT') =>
    (...which: Parameters<typeof places>): void => {
      for (const file of pidFiles(...which)) pauseProcess(file, signal);
    };
  return {
    killKafka: (...which) => settle(pidFiles(...which).map((file) => endProcess(file, 0))),
    stopKafka: (...which) => settle(pidFiles(...which).map((file) => endProcess(file, GRACE_MS))),
    startKafka: (...which) => settle(places(...which).map(startKafka)),
    freezeKafka: pause('SIGSTOP'),
    thawKafka: pause('SIGCONT'),
  };
}

export function kafkaPlaces(dir: string, site: SiteState): readonly KafkaPlace[] {
  const { several } = site;
  const brokers = brokersOf(site);
  const controllerPorts = brokers.map(({ controllerPort }) => controllerPort);
  return brokers.map(({ port, controllerPort }, index): KafkaPlace => {
    const ports = { port, controllerPort };
    if (!several) return { ...ports, dir: siteDir(dir, site.name) };
    const cluster = { id: several.clusterId, nodeId: index + 1, controllerPorts };
    return { ...ports, dir: siteDir(dir, site.name, index + 1), cluster };
  });
}

export async function startDatabaseOf(dir: string, { database, databasePort }: StackState): Promise<void> {
  if (database === 'none') return;
  await startDatabase(brands[database], { dir: databaseDir(dir), port: databasePort });
}

export const mirrorPlace = (dir: string, state: StackState): MirrorPlace => ({
  dir: mirrorDir(dir),
  sites: state.sites.map((site) => ({ name: site.name, brokers: addressesOf(site) })),
  flows: state.flows ?? [],
});
