// The sites' grammar: REPRISE_SITES, and the TLS and SASL settings that each site may have beside it.
// Owned here: reading them into one typed value per site, files included (they are read once, at the load).
// Refused: connecting, and showing what a file or password holds.

import { nearest, splitHostPort, type ValueKind } from './values.ts';

/** PEM texts; `ca` null = the roots that Node.js brings. */
export interface SiteTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export interface SiteSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** One data centre's cluster. Its topics together hold the whole log. */
export interface SiteConfig {
  readonly name: string;
  /** `host:port` each, at least one. */
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
  readonly tls: SiteTls | null;
  readonly sasl: SiteSasl | null;
}

type BareSite = Pick<SiteConfig, 'name' | 'brokers' | 'topics'>;

const SITE_NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const TOPIC_NAME = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** name after `REPRISE_SITE_<NAME>_` -> what it holds. */
export const SITE_OPTIONS = {
  TLS_CA_FILE:
    'PEM file of the brokers’ certificate authority, or `system` for the roots Node.js brings; turns TLS on',
  TLS_CERT_FILE: 'PEM file of the client certificate; needs TLS_KEY_FILE; turns TLS on',
  TLS_KEY_FILE: 'PEM file of the client certificate’s private key; needs TLS_CERT_FILE',
  SASL_MECHANISM: `${MECHANISMS.join(', ')}; needs the other two SASL settings`,
  SASL_USERNAME: 'the user',
  SASL_PASSWORD_FILE: 'file that holds the password; a newline at its end is not part of it',
} as const;
type SiteOption = keyof typeof SITE_OPTIONS;

export const SITES: ValueKind<readonly BareSite[]> = {
  allowed:
    'name=host:port,host:port/topic+topic per site, sites separated by ";", e.g. dc1=kafka:9092/delivery_log',
  unit: '',
  parse: (text) => {
    const sites: BareSite[] = [];
    for (const part of text.split(';')) {
      const site = parseSite(part.trim());
      if (typeof site === 'string') return { fault: `site ${sites.length + 1}: ${site}` };
      if (sites.some(({ name }) => name === site.name)) return { fault: `names site ${site.name} twice` };
      sites.push(site);
    }
    return { value: sites };
  },
};

/** The site, or what is wrong with it. */
function parseSite(text: string): BareSite | string {
  const parts = /^([^=/]*)=([^/]*)\/([^/]*)$/.exec(text);
  if (!parts) return 'is not name=brokers/topics';
  const [, name = '', brokerList = '', topicList = ''] = parts;
  if (!SITE_NAME.test(name))
    return 'its name must be lower-case letters, digits and inner hyphens (at most 32)';
  const brokers = brokerList.split(',');
  const topics = topicList.split('+');
  for (const broker of brokers) {
    if (!splitHostPort(broker, 1)) return `broker "${broker}" is not host:port`;
  }
  for (const topic of topics) {
    if (!TOPIC_NAME.test(topic)) return `topic "${topic}" is not a topic name`;
  }
  if (new Set(brokers).size < brokers.length) return 'names a broker twice';
  if (new Set(topics).size < topics.length) return 'names a topic twice';
  return { name, brokers, topics };
}

export type Fault = (name: string, detail: string) => void;
export type ReadFile = (path: string) => string;
type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = 'REPRISE_SITE_';
const prefixOf = (site: string): string => `${PREFIX}${site.toUpperCase().replaceAll('-', '_')}_`;

/** Whether this name is one of a site's settings (known or not), so not a setting of its own. */
export const isSiteSetting = (name: string): boolean => name.startsWith(PREFIX);

/** Adds each site's TLS and SASL; every mistake goes to `fault`. */
export function completeSites(
  sites: readonly BareSite[],
  env: Env,
  readFile: ReadFile,
  fault: Fault,
): readonly SiteConfig[] {
  reportUnknown(sites, env, fault);
  return sites.map((site) => {
    const reader = new OptionReader(prefixOf(site.name), env, readFile, fault);
    return Object.freeze({ ...site, tls: readTls(reader), sasl: readSasl(reader) });
  });
}

function reportUnknown(sites: readonly BareSite[], env: Env, fault: Fault): void {
  const options = Object.keys(SITE_OPTIONS);
  for (const name of Object.keys(env).filter(isSiteSetting)) {
    const prefix = sites.map((site) => prefixOf(site.name)).find((candidate) => name.startsWith(candidate));
    if (prefix === undefined) {
      fault(name, `belongs to no site of REPRISE_SITES; sites: ${sites.map((site) => site.name).join(', ')}`);
    } else if (!options.includes(name.slice(prefix.length))) {
      const meant = nearest(name.slice(prefix.length), options);
      const hint = meant === null ? '' : `; did you mean ${prefix}${meant}?`;
      fault(name, `is not a setting of a site; allowed after ${prefix}: ${options.join(', ')}${hint}`);
    }
  }
}

/** Reads one site's settings; empty text is the same as none. */
class OptionReader {
  readonly #prefix: string;
  readonly #env: Env;
  readonly #readFile: ReadFile;
  readonly #fault: Fault;

  constructor(prefix: string, env: Env, readFile: ReadFile, fault: Fault) {
    this.#prefix = prefix;
    this.#env = env;
    this.#readFile = readFile;
    this.#fault = fault;
  }

  text(option: SiteOption): string | null {
    const value = this.#env[this.#prefix + option];
    return value === undefined || value === '' ? null : value;
  }

  file(option: SiteOption): string | null {
    const path = this.text(option);
    if (path === null) return null;
    try {
      return this.#readFile(path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
      this.refuse(option, `names a file that cannot be read (${code}); allowed: a readable file`);
      return null;
    }
  }

  refuse(option: SiteOption, detail: string): void {
    this.#fault(this.#prefix + option, detail);
  }
}

function readTls(reader: OptionReader): SiteTls | null {
  const systemRoots = reader.text('TLS_CA_FILE') === 'system';
  const ca = systemRoots ? null : reader.file('TLS_CA_FILE');
  const [hasCert, hasKey] = [reader.text('TLS_CERT_FILE') !== null, reader.text('TLS_KEY_FILE') !== null];
  if (hasCert && !hasKey) reader.refuse('TLS_KEY_FILE', 'is missing beside TLS_CERT_FILE');
  if (hasKey && !hasCert) reader.refuse('TLS_CERT_FILE', 'is missing beside TLS_KEY_FILE');
  const [cert, key] = [reader.file('TLS_CERT_FILE'), reader.file('TLS_KEY_FILE')];
  return systemRoots || ca !== null || cert !== null ? Object.freeze({ ca, cert, key }) : null;
}

function readSasl(reader: OptionReader): SiteSasl | null {
  const named = ['SASL_MECHANISM', 'SASL_USERNAME', 'SASL_PASSWORD_FILE'] as const;
  const missing = named.filter((option) => reader.text(option) === null);
  if (missing.length === named.length) return null;
  for (const option of missing) reader.refuse(option, 'is missing beside the other SASL settings');
  const mechanism = MECHANISMS.find((word) => word === reader.text('SASL_MECHANISM'));
  if (mechanism === undefined && !missing.includes('SASL_MECHANISM')) {
    reader.refuse('SASL_MECHANISM', `is unknown; allowed: ${MECHANISMS.join(', ')}`);
  }
  const username = reader.text('SASL_USERNAME');
  const password = reader.file('SASL_PASSWORD_FILE')?.replace(/\r?\n$/, '') ?? null;
  if (mechanism === undefined || username === null || password === null) return null;
  return Object.freeze({ mechanism, username, password });
}
