// stack.json: which ports a stack has claimed and what it consists of. Who runs is told by the pid
// files alone; the pids in here are for the reader.
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newClusterId } from './kafka.ts';
import { withLock } from './lock.ts';
import { readIfPresent, repriseDir, stackDir } from './paths.ts';
import { choosePorts, isFree } from './ports.ts';
import type { DatabaseKind } from './database.ts';
import type { MirrorFlow } from './mirror-flows.ts';

export interface BrokerPorts {
  readonly port: number;
  readonly controllerPort: number;
}

/** A cluster; the ports are those of its first broker. */
export interface SiteState extends BrokerPorts {
  readonly name: string;
  /** Of a cluster of several: what its brokers must agree on, and the ports of the second and later ones. */
  readonly several?: { readonly clusterId: string; readonly others: readonly BrokerPorts[] };
}

export const brokersOf = (site: SiteState): readonly BrokerPorts[] => [site, ...(site.several?.others ?? [])];

/** Bootstrap addresses of a site, separated by commas. */
export const addressesOf = (site: SiteState): string =>
  brokersOf(site)
    .map(({ port }) => `127.0.0.1:${port}`)
    .join(',');

export interface StackState {
  readonly name: string;
  readonly database: DatabaseKind | 'none';
  readonly databasePort: number;
  readonly sites: readonly SiteState[];
  /** What MirrorMaker copies; missing or empty: none runs. */
  readonly flows?: readonly MirrorFlow[];
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly pids?: Readonly<Record<string, number>>;
}

export interface Wanted {
  readonly name: string;
  readonly database: DatabaseKind | 'none';
  readonly sites: readonly string[];
  /** Of each site. */
  readonly brokersPerSite: number;
  readonly flows: readonly MirrorFlow[];
}

const stateFile = (dir: string): string => join(dir, 'stack.json');

export function readState(dir: string): StackState | undefined {
  const text = readIfPresent(stateFile(dir));
  return text === undefined ? undefined : (JSON.parse(text) as StackState);
}

export function writeState(state: StackState): void {
  const file = stateFile(stackDir(state.name));
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Claims ports and writes them down, keeping those of the last run when they are still free. */
export function claim(wanted: Wanted, databaseUrl: (port: number) => string): Promise<StackState> {
  return withLock('ports', async () => {
    const dir = stackDir(wanted.name);
    mkdirSync(dir, { recursive: true });
    const before = readState(dir);
    const { name, database, brokersPerSite, flows } = wanted;
    const count = 1 + 2 * wanted.sites.length * brokersPerSite;
    const kept = before ? portsOf(before) : [];
    const reuse = kept.length === count && (await Promise.all(kept.map(isFree))).every(Boolean);
    const ports = reuse ? kept : await choosePorts(count, portsOfOthers(wanted.name));
    const databasePort = ports.shift() ?? 0;
    const sites = wanted.sites.map((site) => {
      const brokers = Array.from({ length: brokersPerSite }, () => nextPorts(ports));
      const clusterId = before?.sites.find((each) => each.name === site)?.several?.clusterId;
      return siteOf(site, brokers, clusterId);
    });
    const state: StackState = {
      name,
      database,
      databasePort,
      sites,
      flows,
      brokers: sites.map(addressesOf).join(','),
      databaseUrl: wanted.database === 'none' ? '' : databaseUrl(databasePort),
    };
    writeState(state);
    return state;
  });
}

function nextPorts(ports: number[]): BrokerPorts {
  return { port: ports.shift() ?? 0, controllerPort: ports.shift() ?? 0 };
}

function siteOf(name: string, brokers: readonly BrokerPorts[], clusterId = newClusterId()): SiteState {
  const [first, ...others] = brokers;
  if (!first) throw new Error(`site ${name} has no broker`);
  return { name, ...first, ...(others.length > 0 && { several: { clusterId, others } }) };
}

function portsOf(state: StackState): number[] {
  const brokers = state.sites.flatMap(brokersOf);
  return [state.databasePort, ...brokers.flatMap(({ port, controllerPort }) => [port, controllerPort])];
}

function portsOfOthers(name: string): Set<number> {
  const folders = readdirSync(repriseDir).filter((folder) => folder !== name);
  return new Set(
    folders.flatMap((folder) => {
      const state = readState(join(repriseDir, folder));
      return state ? portsOf(state) : [];
    }),
  );
}
