// MirrorMaker 2 between the sites of a stack: one process in its dedicated mode, from the brokers' jars.
//
// It is kept running as production keeps it: it ends when a cluster is away at its start, so a shell in the
// same process group starts it again. Killing and freezing go to the group, so both at once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { ensureKafka } from './artifacts.ts';
import { lines, logConfig, MAX_BATCH_BYTES } from './kafka-properties.ts';
import { nativeLibrariesIn } from './kafka.ts';
import { copyName } from './mirror-flows.ts';
import type { MirrorFlow } from './mirror-flows.ts';
import { logTail, readPidFile, startServer } from './process.ts';
import { mirrorPidFile } from './servers.ts';

export interface MirrorPlace {
  readonly dir: string;
  readonly sites: readonly { readonly name: string; readonly brokers: string }[];
  readonly flows: readonly MirrorFlow[];
  /** Appended to mm2.properties; the later line of a name counts. */
  readonly properties?: Readonly<Record<string, string>>;
}

export const mirrorLogFile = (dir: string): string => join(dir, 'mirror.log');

/** A record may be larger unpacked than the batch that the broker took. */
const MAX_REQUEST_BYTES = 4 * MAX_BATCH_BYTES;
/** Its scheduler would say each second that it looked for topics. */
const LOG_LEVELS = {
  'org.apache.kafka.connect.mirror': 'INFO',
  'org.apache.kafka.connect.mirror.Scheduler': 'WARN',
} as const;
const POLL_MS = 100;
/** A signal waits for the end of MirrorMaker, which gets it too; if the shell alone is killed, MirrorMaker is as well. */
const KEEP_RUNNING = `trap 'exit 0' TERM
while :; do setpriv --pdeathsig KILL "$@"; echo "MirrorMaker ended with $?, once more"; sleep 1; done`;

/** Returns when the process runs; what it copies comes some seconds later: `untilMirrored`. */
export async function startMirror(place: MirrorPlace): Promise<void> {
  const { dir } = place;
  if (readPidFile(mirrorPidFile(dir))) return;
  const jars = join(await ensureKafka(), '*');
  mkdirSync(dir, { recursive: true });
  const config = join(dir, 'mm2.properties');
  writeFileSync(config, mirrorProperties(place));
  const java = [
    'java',
    '-Xms64m',
    '-Xmx256m',
    '-XX:+UseSerialGC',
    ...nativeLibrariesIn(dir),
    `-Dlog4j2.configurationFile=${logConfig(dir, LOG_LEVELS)}`,
    '-cp',
    jars,
    'org.apache.kafka.connect.mirror.MirrorMaker',
    config,
  ];
  await startServer({
    command: 'sh',
    args: ['-c', KEEP_RUNNING, 'mirror', ...java],
    cwd: dir,
    logFile: mirrorLogFile(dir),
    pidFile: mirrorPidFile(dir),
  });
}

/** Waits until every flow that copies `topic` has made the copy, with all partitions and their leaders. */
export async function untilMirrored(place: MirrorPlace, topic: string, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs;
  const flows = place.flows.filter(({ topics }) =>
    topics.some((each) => new RegExp(`^(${each})$`).test(topic)),
  );
  if (flows.length === 0) throw new Error(`nothing copies topic ${topic}`);
  for (const flow of flows) {
    const copy = copyName(flow, topic);
    for (;;) {
      const wanted = await ledPartitions(brokersOf(place, flow.from), topic);
      if (wanted > 0 && (await ledPartitions(brokersOf(place, flow.to), copy)) === wanted) break;
      if (performance.now() > until) {
        const log = logTail(mirrorLogFile(place.dir));
        throw new Error(`after ${deadlineMs} ms ${flow.to} has no whole topic ${copy}:\n${log}`);
      }
      await sleep(POLL_MS);
    }
  }
}

function brokersOf(place: MirrorPlace, site: string): string {
  const found = place.sites.find(({ name }) => name === site);
  if (!found) throw new Error(`MirrorMaker knows no site "${site}"`);
  return found.brokers;
}

/** How many partitions a topic has; 0 while one has no leader, or nobody knows the topic, or nobody answers. */
async function ledPartitions(brokers: string, topic: string): Promise<number> {
  const client = new kafkajs.Kafka({
    brokers: brokers.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics.flatMap((found) => found.partitions);
    return partitions.every(({ leader }) => leader >= 0) ? partitions.length : 0;
  } catch {
    return 0;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

function mirrorProperties(place: MirrorPlace): string {
  const { sites, flows } = place;
  const copies = Math.min(3, ...sites.map(({ brokers }) => brokers.split(',').length));
  const clusters = sites.map(({ name, brokers }) => clusterProperties(name, brokers, copies)).join('\n');
  const pairs = flows.map(flowProperties).join('\n');
  return `clusters=${sites.map(({ name }) => name).join(',')}
${clusters}
${pairs}
# Quick to react, for tests; the defaults are ten minutes.
refresh.topics.interval.seconds=1
sync.topic.configs.interval.seconds=5
sync.topic.configs.enabled=true
sync.topic.acls.enabled=false
emit.heartbeats.enabled=true
emit.heartbeats.interval.seconds=1
# Nobody here needs the places of consumer groups; without its groups that connector has no task.
groups.exclude=.*
# How long it waits for a cluster that is away, before it tries again.
admin.timeout.ms=10000
replication.factor=${copies}
offset-syncs.topic.replication.factor=${copies}
heartbeats.topic.replication.factor=${copies}
checkpoints.topic.replication.factor=${copies}
${lines(place.properties)}`;
}

/** Settings of the consumers of this cluster, of the producers to it, and of the workers that keep their state in it. */
function clusterProperties(name: string, brokers: string, copies: number): string {
  const settings = {
    'bootstrap.servers': brokers,
    // Else aborted transactions become events.
    'consumer.isolation.level': 'read_committed',
    'consumer.max.partition.fetch.bytes': `${MAX_REQUEST_BYTES}`,
    'consumer.fetch.max.bytes': `${MAX_REQUEST_BYTES}`,
    'producer.max.request.size': `${MAX_REQUEST_BYTES}`,
    'producer.compression.type': 'snappy',
    // Where it goes on after a kill -9: what was copied later is copied twice.
    'offset.flush.interval.ms': '1000',
    // A worker that was killed gives its tasks back at once; the defaults are 10 s and five minutes.
    'session.timeout.ms': '4000',
    'heartbeat.interval.ms': '1000',
    'scheduled.rebalance.max.delay.ms': '0',
    'reconnect.backoff.max.ms': '500',
    // The default looks into every class of every jar, once per direction.
    'plugin.discovery': 'service_load',
    'config.storage.replication.factor': `${copies}`,
    'offset.storage.replication.factor': `${copies}`,
    'status.storage.replication.factor': `${copies}`,
    'offset.storage.partitions': '1',
    'status.storage.partitions': '1',
  };
  return lines(Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${name}.${key}`, value])));
}

function flowProperties({ from, to, topics, identity = false }: MirrorFlow): string {
  const policy = identity ? 'IdentityReplicationPolicy' : 'DefaultReplicationPolicy';
  const settings = {
    enabled: 'true',
    topics: topics.join(','),
    'replication.policy.class': `org.apache.kafka.connect.mirror.${policy}`,
  };
  return lines(
    Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${from}->${to}.${key}`, value])),
  );
}
