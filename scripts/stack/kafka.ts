// One Kafka broker that is its own controller (KRaft). Kept small and quick to react, for tests:
// what a production cluster sets differently is said beside the line.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { ensureKafka } from './artifacts.ts';
import { kafkaPidFile, stepPidFile } from './servers.ts';
import { readPidFile, runStep, startServer, waitUntilReady } from './process.ts';

export interface KafkaPlace {
  readonly dir: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Added to server.properties; a name that is there already is overridden. */
  readonly properties?: Readonly<Record<string, string>>;
}

export const kafkaLogFile = (dir: string): string => join(dir, 'kafka.log');

/** Java's codecs unpack their native libraries anew at each start, and a killed process leaves them behind. */
export function nativeLibrariesIn(dir: string): readonly string[] {
  const place = join(dir, 'native');
  mkdirSync(place, { recursive: true });
  return [`-Djava.io.tmpdir=${place}`];
}

/** Formats the folder at the first time, starts the broker and waits until it serves clients. */
export async function startKafka(place: KafkaPlace): Promise<void> {
  const { dir } = place;
  if (readPidFile(kafkaPidFile(dir))) return;
  const jars = join(await ensureKafka(), '*');
  mkdirSync(dir, { recursive: true });
  const data = join(dir, 'data');
  if (!existsSync(data)) await format(place, jars, data);
  const config = join(dir, 'server.properties');
  writeFileSync(config, serverProperties(place, data));
  const logFile = kafkaLogFile(dir);
  const server = await startServer({
    command: 'java',
    args: [
      '-Xms64m',
      '-Xmx512m',
      ...nativeLibrariesIn(dir),
      `-Dlog4j2.configurationFile=${logConfig(dir)}`,
      '-cp',
      jars,
      'kafka.Kafka',
      config,
    ],
    cwd: dir,
    logFile,
    pidFile: kafkaPidFile(dir),
  });
  await waitUntilReady('Kafka', server, logFile, () => answers(place.port));
}

/** Formats beside the final place and renames: a folder named `data` is always a whole one. */
async function format(place: KafkaPlace, jars: string, data: string): Promise<void> {
  const partial = `${data}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const config = join(place.dir, 'format.properties');
  writeFileSync(config, serverProperties(place, partial));
  const clusterId = `R${randomBytes(16).toString('base64url').slice(1)}`;
  const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', jars];
  await runStep({
    command: 'java',
    args: [...quick, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config],
    cwd: place.dir,
    logFile: kafkaLogFile(place.dir),
    pidFile: stepPidFile(place.dir),
  });
  rmSync(config);
  renameSync(partial, data);
}

/** Whether the broker is registered and tells so: an open port comes a second earlier. */
async function answers(port: number): Promise<boolean> {
  const client = new kafkajs.Kafka({
    brokers: [`127.0.0.1:${port}`],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    return cluster.brokers.length > 0;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

function serverProperties({ port, controllerPort, properties = {} }: KafkaPlace, data: string): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=${data}

# One broker: nothing to replicate to.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

auto.create.topics.enable=false
# Everybody may do everything, until a test denies something on one topic.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=4194304
replica.fetch.max.bytes=4194304

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
${Object.entries(properties)
  .map(([name, value]) => `${name}=${value}\n`)
  .join('')}`;
}

function logConfig(dir: string): string {
  const file = join(dir, 'log4j2.properties');
  writeFileSync(
    file,
    `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server
logger.server.level=INFO
logger.config.name=org.apache.kafka.common.config
logger.config.level=WARN
logger.values.name=kafka.server.KafkaConfig
logger.values.level=WARN
`,
  );
  return file;
}
