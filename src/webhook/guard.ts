// The address guard (SSRF): webhook URLs are customers' input and must not reach into our network.
// Owns which URLs, ports and addresses may be dialled. Refuses everything that is not plainly public.
// Invariant: an address is judged where it is used, on the very bytes that are dialled: literals in the connector,
// names in its resolver step. checkUrl alone is a courtesy to the API; a name can answer differently later.
// What a refusal says depends on the URL only, never on what answered there: the guard is no port scanner.

import ipaddr from 'ipaddr.js';
import { RepriseError } from '../domain/errors.ts';
import { createConnector } from './connector.ts';
import type { ConnectorOptions, Dial, Resolve } from './connector.ts';

type Cidr = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Public unicast by its number, but a cloud's own service: Azure's host agent and Alibaba's metadata. */
const DENIED = ['168.63.129.16/32', '100.100.100.200/32', 'fd00:ec2::254/128'].map((cidr) =>
  ipaddr.parseCIDR(cidr),
);
/** All of IPv6 that IANA gives out as global unicast; the rest (mapped, compatible, NAT64, ...) has no receivers. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
const MAX_URL_LENGTH = 2_048;
/** Below it only the web's own ports: SMTP, SSH and the like would take an HTTP request for commands. */
const FIRST_FREE_PORT = 1_024;
const NOT_PUBLIC = 'The URL must point to a public address.';

export interface GuardOptions {
  /** Resolves a host name; for tests. Default: the system's resolver (dns.lookup). */
  readonly resolve?: Resolve;
  readonly connectTimeoutMs?: number;
  /** PEM of an authority trusted besides the usual ones; for tests. */
  readonly extraCa?: string;
}

export interface Guard {
  /**
   * Why this URL can never be a webhook, as a sentence for the client; null when it may be one. Looks at syntax,
   * port and literal addresses only: no DNS, no network, so that it takes no time and reveals nothing.
   */
  readonly checkUrl: (url: string) => string | null;
  /** An undici connector that dials nothing but allowed addresses. Fails with code `BLOCKED_CODE` otherwise. */
  readonly connector: Dial;
  /** The same for undici's own clients: sockets that are read as streams. */
  readonly streamConnector: Dial;
}

/** `allowTargets`: CIDRs (or addresses) beyond the public ones. Throws RepriseError config_invalid when malformed. */
export function createGuard(allowTargets: readonly string[], options: GuardOptions = {}): Guard {
  const allowed = allowTargets.map(parseTarget);
  const isListed = (address: string): boolean => inAny(address, allowed);
  const rules: ConnectorOptions = {
    ...options,
    // http and odd ports are for listed targets only, and that is known when the name has been resolved.
    mayDial: (address, target) =>
      isListed(address) ||
      (target.protocol === 'https:' && isOpenPort(target.port) && isPublicAddress(address)),
  };
  let streams: Dial | null = null;
  return {
    connector: createConnector(rules),
    // Made when it is needed: a context of its own with all root certificates.
    streamConnector: (dialled, callback) =>
      (streams ??= createConnector({ ...rules, asStreams: true }))(dialled, callback),
    checkUrl: (url) => checkUrl(url, { isListed, hasList: allowed.length > 0 }),
  };
}

/** Whether the address (IPv4 or IPv6 in any notation) is plain public unicast. Unparsable ones are not. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (DENIED.some((cidr) => matches(parsed, cidr))) return false;
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || matches(parsed, GLOBAL_IPV6);
}

interface Lists {
  readonly isListed: (address: string) => boolean;
  readonly hasList: boolean;
}

function checkUrl(text: string, { isListed, hasList }: Lists): string | null {
  if (text.length > MAX_URL_LENGTH) return `The URL must not be longer than ${MAX_URL_LENGTH} characters.`;
  const url = URL.parse(text);
  if (url === null) return 'This is not a valid URL.';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'The URL must begin with https://.';
  if (url.username !== '' || url.password !== '') return 'The URL must not hold a user name or password.';
  if (url.hostname === '' || /^\.|\.\./.test(url.hostname)) return 'The URL needs a valid host.';
  const literal = literalOf(url.hostname);
  const listed = literal !== null && isListed(literal);
  // A name may turn out to be listed when it is resolved; the connector decides then.
  const mayBeListed = listed || (literal === null && hasList);
  if (url.protocol === 'http:' && !mayBeListed) return 'The URL must begin with https://.';
  if (!isOpenPort(portOf(url)) && !mayBeListed) return 'The port must be 443, 80, or 1024 and above.';
  if (literal !== null && !listed && !isPublicAddress(literal)) return NOT_PUBLIC;
  return null;
}

/** The address in a URL's host; `localhost` names count as one; null for other names. WHATWG URL has normalised it. */
function literalOf(hostname: string): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  const name = hostname.replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return '127.0.0.1';
  return ipaddr.IPv4.isValidFourPartDecimal(name) ? name : null;
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function isOpenPort(port: number): boolean {
  return port === 443 || port === 80 || port >= FIRST_FREE_PORT;
}

function parseTarget(text: string): Cidr {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw new RepriseError('config_invalid', `"${text}" is neither an address nor a CIDR.`, { cause });
  }
}

function inAny(address: string, cidrs: readonly Cidr[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return cidrs.some((cidr) => matches(parsed, cidr));
}

function matches(address: ipaddr.IPv4 | ipaddr.IPv6, [base, bits]: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}
