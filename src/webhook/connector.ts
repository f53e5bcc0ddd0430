// Dials receivers for undici: resolves the host itself, judges every address, and connects to those alone.
//
//   literal ──────────────> mayDial? ──> connect
//   name ──> resolve all ──> mayDial, each one? ──> connect to exactly these (happy eyeballs among them)
//
// Both branches are needed: Node never calls `lookup` for a literal, so a lookup hook alone let all 9 literal forms
// pass. One refused address refuses the whole answer: a rebinding name mixes public and private ones.
// Invariant: what is connected to is what was judged; nothing is resolved a second time.
// All sockets read into one buffer, each read handed on before the next: a Readable took 3 us and a buffer per answer.

import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import tls from 'node:tls';
import { buildConnector } from 'undici';

/** `code` of the error when the guard refused the target. */
export const BLOCKED_CODE = 'REPRISE_BLOCKED';
const CONNECT_TIMEOUT_MS = 10_000;
const READ_BYTES = 64 * 1024;

/** Takes the first `size` bytes of `bytes`, which are others' after the call. */
export type Incoming = (bytes: Buffer, size: number) => void;

/** Who takes what a dialled socket reads. */
export const incoming = new WeakMap<Socket, Incoming>();

const onread = {
  buffer: Buffer.allocUnsafeSlow(READ_BYTES),
  callback(this: unknown, size: number, bytes: Uint8Array): boolean {
    incoming.get(this as Socket)?.(bytes as Buffer, size);
    return true;
  },
};

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host name. Rejects with Node's dns errors. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface DialTarget {
  readonly protocol: string;
  readonly port: number;
}

export interface ConnectorOptions {
  readonly mayDial: (address: string, target: DialTarget) => boolean;
  readonly resolve?: Resolve;
  readonly connectTimeoutMs?: number;
  readonly extraCa?: string;
  /** For sockets that are read as streams, and not by `incoming`. */
  readonly asStreams?: boolean;
}

/** An undici connector; returns the end of the dial: destroys its socket, also one that is still connecting. */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => () => void;

/** What buildConnector makes; it returns the socket, which its types leave out. */
type Connect = (...args: Parameters<buildConnector.connector>) => Socket;

/** Message without host or address: it goes to nobody who may not know them, and tells nothing about the inside. */
class BlockedError extends Error {
  readonly code = BLOCKED_CODE;
  constructor() {
    super('The address guard refused the target');
    this.name = 'BlockedError';
  }
}

export function createConnector(options: ConnectorOptions): Dial {
  const resolve = shared(options.resolve ?? ((hostname) => dns.lookup(hostname, { all: true })));
  // One context for all sockets: building it anew with all root certificates costs milliseconds per connection.
  const secureContext = tls.createSecureContext(
    options.extraCa === undefined ? {} : { ca: [...tls.rootCertificates, options.extraCa] },
  );
  // One connector per target (protocol and port decide what may be dialled), so that TLS sessions are resumed.
  const connectors = new Map<string, Connect>();

  const connectorOf = (target: DialTarget): Connect => {
    const key = `${target.protocol}${target.port}`;
    const known = connectors.get(key);
    if (known !== undefined) return known;
    const connector = buildConnector({
      secureContext,
      rejectUnauthorized: true,
      allowH2: false,
      timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      autoSelectFamily: true,
      ...(options.asStreams === true ? {} : { onread }),
      lookup: guardedLookup(resolve, (address) => options.mayDial(address, target)),
    }) as Connect;
    connectors.set(key, connector);
    return connector;
  };

  return (dialled, callback) => {
    const target = {
      protocol: dialled.protocol,
      port: Number(dialled.port || (dialled.protocol === 'https:' ? 443 : 80)),
    };
    if (isIP(dialled.hostname) !== 0 && !options.mayDial(dialled.hostname, target)) {
      let cancelled = false;
      // Not in the caller's stack: undici is in the middle of its own bookkeeping there.
      queueMicrotask(() => {
        if (!cancelled) callback(new BlockedError(), null);
      });
      return () => {
        cancelled = true;
      };
    }
    const socket = connectorOf(target)(dialled, callback);
    return () => {
      socket.destroy();
    };
  };
}

/** A `lookup` for net.connect whose answers are judged; the socket connects to one of exactly these. */
function guardedLookup(resolve: Resolve, mayDial: (address: string) => boolean): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (answers) => {
        const first = answers[0];
        if (first === undefined || !answers.every(({ address }) => isIP(address) !== 0 && mayDial(address))) {
          callback(new BlockedError(), '', 0);
        } else if (all === true) {
          callback(null, [...answers]);
        } else {
          callback(null, first.address, first.family);
        }
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, '', 0),
    );
  };
}

/** Lookups of one name that run at the same time are one: a job opens its sockets together, libuv has 4 threads. */
function shared(resolve: Resolve): Resolve {
  const running = new Map<string, Promise<readonly ResolvedAddress[]>>();
  return (hostname) => {
    const known = running.get(hostname);
    if (known !== undefined) return known;
    const answer = resolve(hostname).finally(() => running.delete(hostname));
    running.set(hostname, answer);
    return answer;
  };
}
