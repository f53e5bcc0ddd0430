// What a broker of the stack is told. Kept small and quick to react, for tests: what a production cluster sets
// differently is said beside the line.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where one broker lives. */
export interface KafkaPlace {
  readonly dir: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Missing: a cluster of this broker alone. */
  readonly cluster?: ClusterPlace;
  /** Appended to server.properties; the later line of a name counts. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** The cluster of several brokers that this one belongs to; each is a controller as well. */
export interface ClusterPlace {
  readonly id: string;
  readonly nodeId: number;
  /** Of all brokers, node 1 first. */
  readonly controllerPorts: readonly number[];
}

/** The broker's largest batch. Whoever copies must take and send as much. */
export const MAX_BATCH_BYTES = 4_194_304;

// Of lone brokers: the controllers of several cannot elect a leader behind it, unless everybody is a super user.
const AUTHORIZER = `# Everybody may do everything, until a test denies something on one topic.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
`;

export function serverProperties(place: KafkaPlace, data: string): string {
  const { port, controllerPort, cluster } = place;
  const voters = (cluster?.controllerPorts ?? [controllerPort]).map(
    (voter, index) => `${index + 1}@127.0.0.1:${voter}`,
  );
  // Of three copies one may be away.
  const copies = Math.min(voters.length, 3);
  const inSync = Math.max(copies - 1, 1);
  return `process.roles=broker,controller
node.id=${cluster?.nodeId ?? 1}
controller.quorum.voters=${voters.join(',')}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=${data}

default.replication.factor=${copies}
min.insync.replicas=${inSync}
offsets.topic.replication.factor=${copies}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=${copies}
transaction.state.log.min.isr=${inSync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=${copies}
share.coordinator.state.topic.min.isr=${inSync}

auto.create.topics.enable=false
${cluster ? '' : AUTHORIZER}group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=${MAX_BATCH_BYTES}
replica.fetch.max.bytes=${MAX_BATCH_BYTES}

# After kill -9 the restarted broker may register only when the session of its former life has
# ended: 9 s by default, and a restart takes 12 s instead of 5.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000

# Tests write records with old timestamps; a topic that shall lose them sets its own retention.
log.retention.ms=-1
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
log.segment.delete.delay.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# Memory: the cleaner alone takes 128 MB by default.
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
${lines(place.properties)}`;
}

export function lines(properties: Readonly<Record<string, string>> = {}): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** What a program writes down: warnings, unless a logger has another level. Returns the file. */
export function logConfig(dir: string, levels: Readonly<Record<string, 'INFO' | 'WARN'>>): string {
  const file = join(dir, 'log4j2.properties');
  writeFileSync(
    file,
    `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
${Object.entries(levels)
  .map(([name, level], at) => `logger.l${at}.name=${name}\nlogger.l${at}.level=${level}\n`)
  .join('')}`,
  );
  return file;
}
