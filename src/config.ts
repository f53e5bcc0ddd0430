// The settings, read once at the start. This is the only place that reads the environment.
// Owned here: reading the table, names nobody knows, relations between settings. The table itself is
// config/table, grammar of single values config/values, of the sites config/sites.
// Invariant: all mistakes are told at once, each with what is allowed, and nothing secret is part of a fault.

import { readFileSync } from 'node:fs';
import { inOrder } from './config/site-list.ts';
import { completeSites, isSiteSetting, type Fault, type ReadFile, type SiteConfig } from './config/sites.ts';
import type { Setting } from './config/setting.ts';
import { CONFIG_TABLE, type Values } from './config/table.ts';
import { nearest } from './config/values.ts';
import { RepriseError, type InputFault } from './domain/errors.ts';

export type { HostPort } from './config/values.ts';
export type { SiteConfig } from './config/sites.ts';
export { SITE_OPTIONS } from './config/sites.ts';
export { CONFIG_TABLE } from './config/table.ts';

/** All settings, typed and frozen. Times in ms, sizes in bytes. `apiKey` and `databaseUrl` are secrets. */
export type Config = Omit<Values, 'sites' | 'sitesOrder'> & {
  /** As this instance prefers them: the first is read, the others are for when it fails. */
  readonly sites: readonly SiteConfig[];
};
export type Env = Readonly<Record<string, string | undefined>>;

type Faults = Map<string, string>;
const PREFIX = 'REPRISE_';
/** Names of the test suites and the scripts that may be around the product; it reads none of them. */
const NEIGHBOURS = /^REPRISE_(TEST_.*|TETHER|KAFKA_VERSION)$/;

/**
 * Reads the settings out of `env` (pass `process.env`).
 * Throws RepriseError `config_invalid` whose faults name each wrong setting and what is allowed.
 */
export function loadConfig(env: Env, readFile: ReadFile = (path) => readFileSync(path, 'utf8')): Config {
  const faults: Faults = new Map();
  const fault = (name: string, detail: string): void => {
    if (!faults.has(name)) faults.set(name, detail);
  };
  const values = readTable(env, faults);
  const sites = faults.has(CONFIG_TABLE.sites.name)
    ? []
    : preferred(completeSites(values.sites, env, readFile, fault), values, fault);
  reportUnknown(env, faults);
  checkRelations(values, faults);
  if (faults.size > 0) throw invalid(faults);
  return Object.freeze({ ...values, sites: Object.freeze(sites) });
}

function preferred(
  sites: readonly SiteConfig[],
  { sitesOrder }: Values,
  fault: Fault,
): readonly SiteConfig[] {
  const ordered = sitesOrder === null ? sites : inOrder(sites, sitesOrder);
  if (typeof ordered !== 'string') return ordered;
  const { name, kind } = CONFIG_TABLE.sitesOrder;
  fault(name, `${ordered}; allowed: ${kind.allowed}`);
  return sites;
}

function readTable(env: Env, faults: Faults): Values {
  const values: Record<string, unknown> = {};
  for (const [property, row] of Object.entries<Setting<unknown>>(CONFIG_TABLE)) {
    const text = env[row.name];
    values[property] = row.fallback;
    if (text === undefined || text === '') {
      if (row.need === 'required') faults.set(row.name, `is missing; allowed: ${row.kind.allowed}`);
      continue;
    }
    const parsed = row.kind.parse(text);
    if ('value' in parsed) values[property] = parsed.value;
    else
      faults.set(
        row.name,
        `${row.secret ? '' : `"${text.slice(0, 60)}" `}${parsed.fault}; allowed: ${row.kind.allowed}`,
      );
  }
  // Each property was set from its own row, whose kind and fallback have the property's type.
  return values as unknown as Values;
}

function reportUnknown(env: Env, faults: Faults): void {
  const names = Object.values(CONFIG_TABLE).map((row) => row.name);
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || NEIGHBOURS.test(name) || isSiteSetting(name)) continue;
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    faults.set(
      name,
      `is not a setting${meant === null ? '; docs/CONFIGURATION.md lists them' : `; did you mean ${meant}?`}`,
    );
  }
}

/** [smaller, larger, factor, strict]: smaller x factor must be below larger (or equal, when not strict). */
const RELATIONS = [
  // Two heartbeats may be lost before a lease ends.
  ['heartbeatIntervalMs', 'leaseMs', 3, true],
  ['cutIntervalMs', 'leaseMs', 3, true],
  ['pollIntervalMs', 'leaseMs', 1, true],
  ['retryBaseMs', 'retryCapMs', 1, false],
  ['settleMs', 'lookbackMs', 1, true],
] as const;

function checkRelations(values: Values, faults: Faults): void {
  for (const [smaller, larger, factor, strict] of RELATIONS) {
    const [low, high] = [CONFIG_TABLE[smaller].name, CONFIG_TABLE[larger].name];
    if (faults.has(low) || faults.has(high)) continue;
    const left = values[smaller] * factor;
    if (left < values[larger] || (!strict && left === values[larger])) continue;
    const bound = factor === 3 ? `a third of ${high}` : high;
    const relation = strict ? 'below' : 'at most';
    faults.set(low, `${values[smaller]} is too large; allowed: ${relation} ${bound} (${values[larger]})`);
  }
}

function invalid(faults: Faults): RepriseError {
  const list: InputFault[] = [...faults].map(([pointer, detail]) => ({ pointer, detail }));
  const lines = list.map(({ pointer, detail }) => `  ${pointer}: ${detail}`);
  const count = list.length === 1 ? '1 setting is' : `${list.length} settings are`;
  return new RepriseError('config_invalid', `${count} wrong:\n${lines.join('\n')}`, { faults: list });
}
