// Whom a whole replay is compared with: programs that read one partition and POST one key's events of it. Each begins
// at the partition's beginning and runs until it is ended, as such programs do.

import { join } from 'node:path';
import { findAll } from './find-peers.ts';
import { goProgram } from './go-program.ts';
import { npmVersion } from './peer-figures.ts';

const PEERS = join(import.meta.dirname, 'peers');
const KAFKAJS = (): string => `KafkaJS ${npmVersion('kafkajs')}`;

export interface Sending {
  readonly brokers: string;
  readonly topic: string;
  readonly key: string;
  readonly url: string;
}

export interface ReplayPeer {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** So slow that it gets a shorter log: what it costs per event does not depend on that. */
  readonly slow: boolean;
  /** Reprise's CPU time per event is to be at most this part of the peer's. */
  readonly target: number;
  command(sending: Sending): readonly string[];
  env(sending: Sending): Readonly<Record<string, string>>;
}

type Finder = () => Promise<Omit<ReplayPeer, 'id'>>;

const FINDERS: Readonly<Record<string, Finder>> = {
  obvious: () =>
    Promise.resolve({
      ...nodePeer('replay-obvious.ts'),
      name: 'eachMessage, await fetch',
      version: KAFKAJS(),
      slow: true,
      target: 20,
    }),
  concurrent: () =>
    Promise.resolve({
      ...nodePeer('replay-concurrent.ts'),
      name: 'eachBatch, 64 in flight',
      version: `${KAFKAJS()}, undici ${npmVersion('undici')}`,
      slow: false,
      target: 5,
    }),
  bento: findBento,
};

export const REPLAY_PEER_IDS = Object.keys(FINDERS);

/** Those of `ids` that this machine has; the others are told by `say`. */
export const findReplayPeers = (ids: readonly string[], say: (line: string) => void): Promise<ReplayPeer[]> =>
  findAll<ReplayPeer>(FINDERS, ids, say);

function nodePeer(file: string): Pick<ReplayPeer, 'command' | 'env'> {
  return {
    command: ({ brokers, topic, key, url }) => [
      process.execPath,
      '--disable-warning=TimeoutNegativeWarning',
      join(PEERS, file),
      ...[brokers, topic, key, url],
    ],
    env: () => ({}),
  };
}

async function findBento(): Promise<Omit<ReplayPeer, 'id'>> {
  const { path, version } = await goProgram('bento', 'bento', 'github.com/warpstreamlabs/bento');
  return {
    name: 'Bento, http_client, 64 in flight',
    version,
    slow: false,
    target: 8,
    command: () => [path, '-c', join(PEERS, 'bento', 'replay.yaml')],
    env: ({ brokers, topic, key, url }) => ({
      BROKERS: brokers,
      TOPIC: topic,
      KEY: key,
      URL: url,
      GROUP: `bench-${performance.now()}`,
    }),
  };
}
