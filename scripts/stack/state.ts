// stack.json: which ports a stack has claimed and what it consists of. Who runs is told by the pid
// files alone; the pids in here are for the reader.
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { readIfPresent, repriseDir, stackDir } from './paths.ts';
import { choosePorts, isFree } from './ports.ts';
import type { DatabaseKind } from './database.ts';

export interface SiteState {
  readonly name: string;
  readonly port: number;
  readonly controllerPort: number;
}

export interface StackState {
  readonly name: string;
  readonly database: DatabaseKind | 'none';
  readonly databasePort: number;
  readonly sites: readonly SiteState[];
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly pids?: Readonly<Record<string, number>>;
}

export interface Wanted {
  readonly name: string;
  readonly database: DatabaseKind | 'none';
  readonly sites: readonly string[];
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
    const count = 1 + 2 * wanted.sites.length;
    const kept = before ? portsOf(before) : [];
    const reuse = kept.length === count && (await Promise.all(kept.map(isFree))).every(Boolean);
    const ports = reuse ? kept : await choosePorts(count, portsOfOthers(wanted.name));
    const [databasePort = 0, ...rest] = ports;
    const sites = wanted.sites.map((name, i) => ({
      name,
      port: rest[2 * i] ?? 0,
      controllerPort: rest[2 * i + 1] ?? 0,
    }));
    const state: StackState = {
      ...wanted,
      databasePort,
      sites,
      brokers: sites.map((site) => `127.0.0.1:${site.port}`).join(','),
      databaseUrl: wanted.database === 'none' ? '' : databaseUrl(databasePort),
    };
    writeState(state);
    return state;
  });
}

function portsOf(state: StackState): number[] {
  return [state.databasePort, ...state.sites.flatMap((site) => [site.port, site.controllerPort])];
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
