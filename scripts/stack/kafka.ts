// One Kafka broker that is a controller too (KRaft): formatted once, started, ready when it serves clients.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { ensureKafka } from './artifacts.ts';
import { logConfig, serverProperties } from './kafka-properties.ts';
import type { KafkaPlace } from './kafka-properties.ts';
import { kafkaPidFile, stepPidFile } from './servers.ts';
import { readPidFile, runStep, startServer, waitUntilReady } from './process.ts';

export type { KafkaPlace } from './kafka-properties.ts';

const LOG_LEVELS = { 'kafka.server': 'INFO', 'kafka.server.KafkaConfig': 'WARN' } as const;

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
      // Three brokers on one machine: each less.
      place.cluster ? '-Xmx256m' : '-Xmx512m',
      ...nativeLibrariesIn(dir),
      `-Dlog4j2.configurationFile=${logConfig(dir, LOG_LEVELS)}`,
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

export const newClusterId = (): string => `R${randomBytes(16).toString('base64url').slice(1)}`;

/** Formats beside the final place and renames: a folder named `data` is always a whole one. */
async function format(place: KafkaPlace, jars: string, data: string): Promise<void> {
  const partial = `${data}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const config = join(place.dir, 'format.properties');
  writeFileSync(config, serverProperties(place, partial));
  const clusterId = place.cluster?.id ?? newClusterId();
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

/** Whether this broker is registered and tells so: an open port comes a second earlier. */
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
    return cluster.brokers.some((broker) => broker.port === port);
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
