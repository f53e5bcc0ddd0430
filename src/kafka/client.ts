// The only file that knows KafkaJS, and its internals: sockets, TLS, SASL and metadata come from it, reading
// does not. Its consumer is not used: it needs a group per job, shares one fetch loop between all partitions
// and jumps silently to the newest record when an offset is out of range.
//
// A PartitionAssigner factory is handed the consumer's Cluster synchronously; keeping it and never running the
// consumer gives the connections without any group. The internals are checked on each connect and the version
// is pinned, so another KafkaJS fails at start with words instead of in the middle of a replay.
//
// Each KafkaConnection has its own sockets (a broker answers one socket in order, so two readings on one would
// wait for each other) and is used by one reader at a time. It never retries: a failure is thrown to the caller,
// who throws the connection away and opens another; that also loads fresh metadata.

import kafkajs from 'kafkajs';
import { RepriseError, messageOf } from '../domain/errors.ts';
import { accessError } from './access.ts';
import type { Step } from './access.ts';
import { saslOf, tlsOf } from './credentials.ts';
import { Door } from './door.ts';
import { FETCH_KEY, FETCH_VERSION, decodeFetch, encodeFetch } from './fetch-protocol.ts';
import type { FetchRequest, FetchResponse } from './fetch-protocol.ts';
import { FetchSockets } from './fetch-sockets.ts';
import type { SiteConfig } from './site.ts';

export type { SiteConfig } from './site.ts';

export interface FoundOffset {
  /** -1: no record is that young. */
  readonly offset: number;
  readonly timestampMs: number;
}

/** Pseudo timestamps of the offset lookup. */
export const LATEST = -1;
export const EARLIEST = -2;

const CONNECT_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 10_000;
const TOPIC_RESOURCE = 2;

interface Broker {
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number } | undefined>>;
  readonly connectionPool: { send(request: unknown): Promise<unknown> };
  listOffsets(request: unknown): Promise<{
    responses: { partitions: { offset: string; timestamp: string }[] }[];
  }>;
  describeConfigs(request: unknown): Promise<{
    resources: { configEntries: { configName: string; configValue: string | null }[] }[];
  }>;
}

interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly unknown[];
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  metadata(asked: { topics: readonly string[] }): Promise<{
    topicMetadata: { partitionMetadata: readonly unknown[] }[];
  }>;
}

const CLUSTER_CALLS = [
  'connect',
  'disconnect',
  'addTargetTopic',
  'findTopicPartitionMetadata',
  'findLeaderForPartitions',
  'findBroker',
  'metadata',
] as const;

export class KafkaConnection {
  readonly #site: SiteConfig;
  readonly #door: Door;
  readonly #cluster: Cluster;
  readonly #sockets = new FetchSockets();
  #isIn = false;

  /** `door`: of the site, where others want in as well. */
  constructor(site: SiteConfig, door: Door = new Door(site)) {
    this.#site = site;
    this.#door = door;
    this.#cluster = clusterOf(site, this.#sockets);
  }

  /** Connects when needed and learns the topic; the number of its partitions. */
  async open(topic: string): Promise<number> {
    // Who is in already does not wait for those who are refused.
    if (this.#isIn) return await this.#named(this.#enter(topic));
    const partitions = await this.#door.enter((at) => this.#enter(topic, at));
    this.#isIn = true;
    return partitions;
  }

  async #enter(topic: string, at: (step: Step) => void = () => undefined): Promise<number> {
    await this.#cluster.connect();
    at('ask');
    await this.#cluster.addTargetTopic(topic);
    return this.#cluster.findTopicPartitionMetadata(topic).length;
  }

  /** As the broker has it now; what `open` answers may be as old as the connection. */
  async partitionsNow(topic: string): Promise<number> {
    const { topicMetadata } = await this.#cluster.metadata({ topics: [topic] });
    return topicMetadata[0]?.partitionMetadata.length ?? 0;
  }

  /** First record of at least that time, always with isolation 0: 1 answers -1 behind an open transaction. */
  async offsetAt(topic: string, partition: number, timestamp: number): Promise<FoundOffset> {
    const broker = await this.#leader(topic, partition);
    const { responses } = await broker.listOffsets({
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, timestamp: String(timestamp) }] }],
    });
    const found = responses[0]?.partitions[0];
    if (!found) throw new Error(`no offset in the answer for ${topic}`);
    return { offset: Number(found.offset), timestampMs: Number(found.timestamp) };
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    const broker = await this.#leader(request.topic, request.partition);
    const bytes = encodeFetch(request);
    // Its own socket, so it gets in by itself.
    const answer = await this.#named(
      broker.connectionPool.send({
        request: {
          apiKey: FETCH_KEY,
          apiVersion: FETCH_VERSION,
          apiName: 'Fetch',
          // Of an Encoder KafkaJS reads these two.
          encode: () => ({ buf: bytes, buffer: bytes }),
        },
        response: {
          decode: (payload: Buffer) => {
            const response = this.#collect(payload);
            return { clientSideThrottleTime: response.throttleMs, response };
          },
          parse: (decoded: { response: FetchResponse }) => decoded.response,
        },
        requestTimeout: request.maxWaitMs + REQUEST_TIMEOUT_MS,
      }),
    );
    return answer as FetchResponse;
  }

  /** The topic's settings as the broker names them; none without the right to see them. */
  async topicSettings(topic: string): Promise<ReadonlyMap<string, string | null>> {
    const broker = await this.#leader(topic, 0);
    const asked = broker.describeConfigs({ resources: [{ type: TOPIC_RESOURCE, name: topic }] });
    const { resources } = await asked.catch((error: unknown) => {
      if (messageOf(error).includes('authorized')) return { resources: [] };
      throw error;
    });
    return new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    await this.#cluster.disconnect();
  }

  /** A refusal is told in our words. */
  async #named<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw accessError(this.#site, error, 'read');
    }
  }

  #collect(payload: Buffer): FetchResponse {
    const body = this.#sockets.collect(payload);
    if (body === null) throw otherKafkaJS();
    return decodeFetch(body, () => this.#sockets.giveBack(body));
  }

  async #leader(topic: string, partition: number): Promise<Broker> {
    const [nodeId] = Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) throw new Error(`partition ${partition} of ${topic} is unknown`);
    const broker = await this.#named(this.#cluster.findBroker({ nodeId }));
    const versions = broker.versions[FETCH_KEY];
    if (
      !versions ||
      versions.minVersion > FETCH_VERSION ||
      versions.maxVersion < FETCH_VERSION ||
      typeof broker.connectionPool.send !== 'function'
    ) {
      throw new RepriseError(
        'log_unusable',
        `the broker must speak Fetch ${FETCH_VERSION} (Kafka 2.3 or later)`,
      );
    }
    return broker;
  }
}

function otherKafkaJS(): RepriseError {
  return new RepriseError('log_unusable', 'this KafkaJS is built differently from version 2.2.4');
}

function clusterOf(site: SiteConfig, sockets: FetchSockets): Cluster {
  const kafka = new kafkajs.Kafka({
    clientId: 'reprise',
    brokers: [...site.brokers],
    socketFactory: sockets.open,
    ...tlsOf(site),
    ...saslOf(site),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Enough to try each bootstrap broker once; the real retries are the reader's.
    retry: { retries: site.brokers.length, initialRetryTime: 50, maxRetryTime: 250 },
    // Its errors come to us as rejections; printing them too would only double them.
    logLevel: kafkajs.logLevel.NOTHING,
    logCreator: () => () => undefined,
  });
  let cluster: unknown = null;
  kafka.consumer({
    groupId: 'reprise-never-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (handed: { cluster: unknown }) => {
        cluster = handed.cluster;
        return { name: 'none', version: 0, assign: () => Promise.resolve([]), protocol: noProtocol };
      },
    ],
  });
  if (!isCluster(cluster)) throw otherKafkaJS();
  return cluster;
}

function noProtocol(): never {
  throw new Error('the consumer of a KafkaConnection must never run');
}

function isCluster(candidate: unknown): candidate is Cluster {
  if (typeof candidate !== 'object' || candidate === null) return false;
  return CLUSTER_CALLS.every((call) => typeof (candidate as Record<string, unknown>)[call] === 'function');
}
