// The kinds of values a setting can have: how its text is read, and in which words a mistake is told.
// Owned here: grammar of single values. Refused: names, defaults and relations (config.ts), any I/O.
// Invariant: a fault never repeats the text it was given; the caller decides whether it may be shown.

import { isIP, isIPv4 } from 'node:net';

export type Parsed<Value> = { readonly value: Value } | { readonly fault: string };

/** How one setting is read. `allowed` completes the sentence "allowed: ...". */
export interface ValueKind<Value> {
  readonly allowed: string;
  /** Unit of the number, for the documentation; empty without one. */
  readonly unit: string;
  readonly parse: (text: string) => Parsed<Value>;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const MAX_PORT = 65_535;

/** A decimal integer from `min` to `max`, both included. */
export function integer(min: number, max: number, unit = ''): ValueKind<number> {
  const allowed = `an integer from ${min} to ${max}${unit === '' ? '' : ` (${unit})`}`;
  return {
    allowed,
    unit,
    parse: (text) => {
      if (!/^-?\d{1,16}$/.test(text)) return { fault: 'is not an integer' };
      const value = Number(text);
      if (value < min) return { fault: 'is too small' };
      return value > max ? { fault: 'is too large' } : { value };
    },
  };
}

/** Exactly one of the given words. */
export function oneOf<const Word extends string>(words: readonly Word[]): ValueKind<Word> {
  return {
    allowed: `one of ${words.join(', ')}`,
    unit: '',
    parse: (text) => {
      const value = words.find((word) => word === text);
      return value === undefined ? { fault: 'is not one of the known words' } : { value };
    },
  };
}

/** Text that matches `shape` as a whole. */
export function matching(shape: RegExp, allowed: string): ValueKind<string> {
  return {
    allowed,
    unit: '',
    parse: (text) => (shape.test(text) ? { value: text } : { fault: 'has another form' }),
  };
}

/** `host:port`, `[ipv6]:port`; null when it is none. */
export function splitHostPort(text: string, minPort: number): HostPort | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3] ?? -1);
  const [ipv6, name] = [parts?.[1], parts?.[2]];
  if (ipv6 !== undefined && isIP(ipv6) !== 6) return null;
  const host = ipv6 ?? name;
  return host === undefined || port < minPort || port > MAX_PORT ? null : { host, port };
}

export const LISTEN: ValueKind<HostPort> = {
  allowed: 'host:port, e.g. 127.0.0.1:8080, [::1]:8080; port 0 takes a free one',
  unit: '',
  parse: (text) => {
    const value = splitHostPort(text, 0);
    return value ? { value } : { fault: 'is not host:port' };
  },
};

/** The URL stays text: the store hands it to its driver. */
export const MYSQL_URL: ValueKind<string> = {
  allowed: 'mysql://user:password@host:port/database (special characters percent-encoded)',
  unit: '',
  parse: (text) => {
    const fault = mysqlUrlFault(text);
    return fault === null ? { value: text } : { fault };
  },
};

function mysqlUrlFault(text: string): string | null {
  const url = URL.parse(text);
  if (!url) return 'is not a URL';
  if (url.protocol !== 'mysql:') return 'does not begin with mysql://';
  if (url.hostname === '') return 'has no host';
  if (url.username === '') return 'has no user';
  // Parameters would reach the driver's options (several statements per query, for one).
  if (url.search !== '' || url.hash !== '') return 'has parameters or a fragment';
  for (const part of [url.username, url.password, url.pathname]) {
    if (!isPercentEncoded(part)) return 'has a percent sign that encodes nothing (write it as %25)';
  }
  if (!/^\/[^/]+$/.test(url.pathname)) return 'does not name exactly one database after the host';
  return null;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Comma-separated address blocks; a bare address is a block of one. Answers CIDR notation throughout. */
export const ADDRESS_BLOCKS: ValueKind<readonly string[]> = {
  allowed: 'address blocks separated by commas, e.g. 127.0.0.0/8,fd00::/8',
  unit: '',
  parse: (text) => {
    const blocks: string[] = [];
    for (const item of text.split(',').map((part) => part.trim())) {
      const block = toBlock(item);
      if (block === null)
        return { fault: `has an item that is no address block (number ${blocks.length + 1})` };
      blocks.push(block);
    }
    return { value: Object.freeze(blocks) };
  },
};

function toBlock(item: string): string | null {
  const [address = '', prefix, ...rest] = item.split('/');
  if (isIP(address) === 0 || address.includes('%') || rest.length > 0) return null;
  const widest = isIPv4(address) ? 32 : 128;
  if (prefix === undefined) return `${address}/${widest}`;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= widest ? `${address}/${prefix}` : null;
}

/** The nearest of `names` when it is near enough to be what was meant; null otherwise. */
export function nearest(name: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.floor(name.length / 4) + 1;
  for (const candidate of names) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's: single characters inserted, removed or replaced. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 0; row < a.length; row++) {
    const current = [row + 1];
    for (let column = 0; column < b.length; column++) {
      const replaced = (previous[column] ?? 0) + (a[row] === b[column] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
