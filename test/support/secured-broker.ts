// A broker of its own with listeners that want something of a client, reached through ports that count who connects:
// what a client that is refused costs the broker. It ends with the test process at the latest.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { ensureKafka } from '../../scripts/stack/artifacts.ts';
import { startKafka } from '../../scripts/stack/kafka.ts';
import { runStep } from '../../scripts/stack/process.ts';
import { siteDir, stepPidFile } from '../../scripts/stack/servers.ts';
import { startStack } from '../../scripts/stack/stack.ts';
import { freePort } from './ports.ts';
import { AUTHORITY, BROKER, BROKER_ELSEWHERE, BROKER_EXPIRED } from './certificates.ts';
import type { Pair } from './certificates.ts';

/** `sasl`: TLS and a user. `mutual`: TLS and a client certificate. The others: TLS, with a bad certificate. */
export type Listener = 'plain' | 'sasl' | 'mutual' | 'expired' | 'elsewhere';

/** A port in front of a listener. */
export interface CountedPort {
  /** host:port */
  readonly address: string;
  /** Connections that came to it so far. */
  readonly connections: number;
}

export interface SecuredBroker {
  /** Where the listener says that it is. */
  readonly listeners: Readonly<Record<Listener, CountedPort>>;
  /** Another port to it: a client that is refused knows no other. */
  portTo(listener: Listener): Promise<CountedPort>;
  /** Writes a file with this text; its path. */
  file(name: string, text: string): string;
  /** Makes a folder of the name, in place of the file. */
  folder(name: string): string;
  stop(): Promise<void>;
}

/** Several Java processes start one after the other, on two busy cores at worst. */
export const START_MS = 240_000;
export const USER = 'reprise';
export const PASSWORD = 'c4n4ry-password';
/** The least that makes KafkaJS authenticate again within a test: it does so 10 s before the end. */
const SESSION_MS = 11_000;

const CERTIFICATES: Readonly<Record<Exclude<Listener, 'plain'>, Pair>> = {
  sasl: BROKER,
  mutual: BROKER,
  expired: BROKER_EXPIRED,
  elsewhere: BROKER_ELSEWHERE,
};
const LISTENERS: readonly Listener[] = ['plain', 'sasl', 'mutual', 'expired', 'elsewhere'];

/** `scram`: with the user's SCRAM credentials, which cost two Java processes. */
export async function startSecuredBroker({ scram }: { readonly scram: boolean }): Promise<SecuredBroker> {
  // The stack has no server of its own: its reaper ends what is in its folder.
  const name = `own-secured-${process.pid}`;
  const stack = await startStack({ name, database: 'none', sites: [], tied: true });
  const dir = siteDir(stack.dir, 'secured');
  mkdirSync(dir, { recursive: true });
  const file = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };
  const doors: Door[] = [];
  const doorTo = async (port: number): Promise<Door> => {
    const door = await openDoor(port);
    doors.push(door);
    return door;
  };
  const listeners = {} as Record<Listener, Door>;
  for (const listener of LISTENERS) listeners[listener] = await doorTo(await freePort());
  const [port, controllerPort] = [await freePort(), await freePort()];
  const properties = {
    ...listenerProperties(port, controllerPort, listeners),
    ...tlsProperties(file),
    ...saslProperties(),
  };
  await startKafka({ dir, port, controllerPort, properties });
  if (scram) await addScramUser(dir, `127.0.0.1:${port}`);
  return {
    listeners,
    portTo: (listener) => doorTo(listeners[listener].behind),
    file,
    folder: (name) => {
      rmSync(join(dir, name), { force: true });
      mkdirSync(join(dir, name));
      return join(dir, name);
    },
    stop: async () => {
      for (const door of doors) await door.close();
      await stack.stop({ wipe: true });
    },
  };
}

function listenerProperties(port: number, controllerPort: number, doors: Readonly<Record<Listener, Door>>) {
  const at = (address: (door: Door) => string) =>
    LISTENERS.map((listener) => `${listener.toUpperCase()}://${address(doors[listener])}`).join();
  const protocol = (listener: Listener): string =>
    listener === 'plain' ? 'PLAINTEXT' : listener === 'sasl' ? 'SASL_SSL' : 'SSL';
  const protocols = LISTENERS.map((listener) => `${listener.toUpperCase()}:${protocol(listener)}`);
  const own = `PLAINTEXT://127.0.0.1:${port}`;
  return {
    listeners: `${own},CONTROLLER://127.0.0.1:${controllerPort},${at(({ behind }) => `127.0.0.1:${behind}`)}`,
    'advertised.listeners': `${own},${at(({ address }) => address)}`,
    'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,${protocols.join()}`,
  };
}

function tlsProperties(file: SecuredBroker['file']): Record<string, string> {
  const trusted = file('authority.pem', AUTHORITY);
  const properties = Object.entries(CERTIFICATES).map(([listener, { cert, key }]) => ({
    [`listener.name.${listener}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.keystore.location`]: file(`${listener}.pem`, key + cert),
    [`listener.name.${listener}.ssl.truststore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.truststore.location`]: trusted,
    [`listener.name.${listener}.ssl.client.auth`]: listener === 'mutual' ? 'required' : 'none',
  }));
  return Object.assign({}, ...properties) as Record<string, string>;
}

function saslProperties(): Record<string, string> {
  const module = (mechanism: string) => `listener.name.sasl.${mechanism}.sasl.jaas.config`;
  const security = 'org.apache.kafka.common.security';
  return {
    'listener.name.sasl.sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER',
    [module('scram-sha-512')]: `${security}.scram.ScramLoginModule required;`,
    [module('scram-sha-256')]: `${security}.scram.ScramLoginModule required;`,
    [module('plain')]: `${security}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
    [module('oauthbearer')]:
      `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
    'listener.name.sasl.oauthbearer.connections.max.reauth.ms': String(SESSION_MS),
  };
}

/** What Kafka's validator for tests takes for a token: signed by nobody. */
export function token(validMs = 3_600_000): string {
  const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url');
  const nowS = Math.floor(Date.now() / 1_000);
  return `${part({ alg: 'none' })}.${part({ sub: USER, iat: nowS - 60, exp: nowS + validMs / 1_000 })}.`;
}

/** Kafka alters one credential of a user at a time. */
async function addScramUser(dir: string, direct: string): Promise<void> {
  const jars = join(await ensureKafka(), '*');
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    await runStep({
      command: 'java',
      args: [
        ...['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', jars],
        ...['kafka.admin.ConfigCommand', '--bootstrap-server', direct, '--alter'],
        ...['--entity-type', 'users', '--entity-name', USER],
        ...['--add-config', `${mechanism}=[password=${PASSWORD}]`],
      ],
      cwd: dir,
      logFile: join(dir, 'users.log'),
      pidFile: stepPidFile(dir),
    });
  }
}

interface Door extends CountedPort {
  /** The broker's port. */
  readonly behind: number;
  close(): Promise<void>;
}

async function openDoor(behind: number): Promise<Door> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    connections++;
    const broker = connect(behind, '127.0.0.1');
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.end(); // what the broker said last is still to be read
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    behind,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
