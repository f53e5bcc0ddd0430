// The TLS and SASL settings that each site of REPRISE_SITES (site-list.ts) may have beside it.
// Owned here: reading them into one typed value per site, files included (they are read once, at the load; only a
// token is read again by whoever uses it). Refused: connecting, and showing what a file or password holds.

import type { SitePassword, SiteSasl, SiteTls } from '../domain/site.ts';
import type { BareSite } from './site-list.ts';
import { CONFIG_TABLE } from './table.ts';
import { nearest } from './values.ts';

/** One data centre's cluster. Its topics together hold the whole log. */
export interface SiteConfig extends BareSite {
  /** What the names of its own settings begin with: an operator is told which one to look at. */
  readonly settings: string;
  readonly tls: SiteTls | null;
  readonly sasl: SiteSasl | null;
}

const PASSWORDS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const satisfies SitePassword[];
const MECHANISMS = [...PASSWORDS, 'oauthbearer'] as const;

/** name after `REPRISE_SITE_<NAME>_` -> what it holds. */
export const SITE_OPTIONS = {
  TLS_CA_FILE:
    'PEM file of the brokers’ certificate authority, or `system` for the roots Node.js brings; turns TLS on',
  TLS_CERT_FILE: 'PEM file of the client certificate; needs TLS_KEY_FILE; turns TLS on',
  TLS_KEY_FILE: 'PEM file of the client certificate’s private key; needs TLS_CERT_FILE',
  SASL_MECHANISM: `${MECHANISMS.join(', ')}; oauthbearer needs SASL_TOKEN_FILE, the others the other two`,
  SASL_USERNAME: 'the user; not with oauthbearer',
  SASL_PASSWORD_FILE:
    'file that holds the password, not with oauthbearer; a newline at its end is not part of it',
  SASL_TOKEN_FILE:
    'file that holds the token, with oauthbearer only; read again at each authentication, so it can be replaced',
} as const;
type SiteOption = keyof typeof SITE_OPTIONS;

export type Fault = (name: string, detail: string) => void;
export type ReadFile = (path: string) => string;
type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = 'REPRISE_SITE_';
/** Settings of the table may begin alike (REPRISE_SITE_DOWN_MS); they are no site's own. */
const OF_ALL_SITES: ReadonlySet<string> = new Set(Object.values(CONFIG_TABLE).map(({ name }) => name));
const prefixOf = (site: string): string => `${PREFIX}${site.toUpperCase().replaceAll('-', '_')}_`;

/** Whether this name is one of a site's settings (known or not), so not a setting of its own. */
export const isSiteSetting = (name: string): boolean => name.startsWith(PREFIX) && !OF_ALL_SITES.has(name);

/** Adds each site's TLS and SASL; every mistake goes to `fault`. */
export function completeSites(
  sites: readonly BareSite[],
  env: Env,
  readFile: ReadFile,
  fault: Fault,
): readonly SiteConfig[] {
  reportUnknown(sites, env, fault);
  return sites.map((site) => {
    const settings = prefixOf(site.name);
    const reader = new OptionReader(settings, env, readFile, fault);
    return Object.freeze({ ...site, settings, tls: readTls(reader), sasl: readSasl(reader) });
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

const SASL_OPTIONS = ['SASL_MECHANISM', 'SASL_USERNAME', 'SASL_PASSWORD_FILE', 'SASL_TOKEN_FILE'] as const;
type SaslOption = (typeof SASL_OPTIONS)[number];

function readSasl(reader: OptionReader): SiteSasl | null {
  if (SASL_OPTIONS.every((option) => reader.text(option) === null)) return null;
  const word = reader.text('SASL_MECHANISM');
  const mechanism = MECHANISMS.find((known) => known === word);
  if (word !== null && mechanism === undefined)
    reader.refuse('SASL_MECHANISM', `is unknown; allowed: ${MECHANISMS.join(', ')}`);
  // Without a mechanism the token tells which one was meant.
  const isToken = mechanism === 'oauthbearer' || (word === null && reader.text('SASL_TOKEN_FILE') !== null);
  const needed: readonly SaslOption[] = isToken
    ? ['SASL_MECHANISM', 'SASL_TOKEN_FILE']
    : ['SASL_MECHANISM', 'SASL_USERNAME', 'SASL_PASSWORD_FILE'];
  for (const option of SASL_OPTIONS) {
    const isThere = reader.text(option) !== null;
    if (!isThere && needed.includes(option))
      reader.refuse(option, 'is missing beside the other SASL settings');
    if (isThere && !needed.includes(option))
      reader.refuse(option, `is not used with ${word ?? 'the others'}`);
  }
  if (mechanism === undefined) return null;
  return mechanism === 'oauthbearer' ? readToken(reader) : readPassword(reader, mechanism);
}

function readPassword(reader: OptionReader, mechanism: SitePassword): SiteSasl | null {
  const username = reader.text('SASL_USERNAME');
  const password = reader.file('SASL_PASSWORD_FILE')?.replace(/\r?\n$/, '') ?? null;
  if (username === null || password === null) return null;
  return Object.freeze({ mechanism, username, password });
}

/** Only looked at here: whoever authenticates reads it again. */
function readToken(reader: OptionReader): SiteSasl | null {
  const tokenFile = reader.text('SASL_TOKEN_FILE');
  if (reader.file('SASL_TOKEN_FILE')?.trim() === '') reader.refuse('SASL_TOKEN_FILE', 'names an empty file');
  return tokenFile === null ? null : Object.freeze({ mechanism: 'oauthbearer', tokenFile });
}
