// The log that the scan bench reads: written once by Kafka's own Java producer, kept under .reprise/bench-data
// and served from there by a broker of its own, which ends with the bench and leaves the data. A topic's name says
// what is in it and by which program; what a summary does not confirm is written anew, what another version of the
// program wrote is dropped.

import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import { ensureKafka } from '../../scripts/stack/artifacts.ts';
import { withLock } from '../../scripts/stack/lock.ts';
import { readIfPresent, sha256, stackDir } from '../../scripts/stack/paths.ts';
import { identify, startServer } from '../../scripts/stack/process.ts';
import { run } from '../../scripts/stack/run.ts';
import { reaperPidFile, siteDir } from '../../scripts/stack/servers.ts';
import { startStack, statusOf } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import { LogWriter } from '../support/log-writer.ts';
import { fixed } from './figures.ts';

const NAME = 'bench-data';
const SITE = 'local';
const WRITER = join(import.meta.dirname, 'peers', 'java', 'WriteScanLog.java');
const REAPER = join(import.meta.dirname, '..', '..', 'scripts', 'stack', 'reaper.ts');
const OTHER_KEYS = 9_000;
const DAY_MS = 86_400_000;
/** A replay may look back a year at most, so the log is written anew each half-year. */
const FROM_MS = halfYearOf(new Date(Date.now() - 7 * DAY_MS));
const TO_MS = FROM_MS + 5 * DAY_MS;
/** All keys are equally long. */
export const KEYS = { common: 'customer-0000001', rare: 'customer-0000002' } as const;

export interface ScanLog {
  readonly topic: string;
  /** Of the records' times. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly valueBytes: number;
  readonly records: number;
  readonly wanted: Readonly<Record<keyof typeof KEYS, number>>;
  /** On the broker's disk. */
  readonly storedBytes: number;
}

export interface ScanData {
  readonly brokers: string;
  readonly brokerPid: number;
  /** With few other keys each of them is a share of its own: 90 have about 1 % each. */
  log(valueBytes: number, records: number, otherKeys?: number): Promise<ScanLog>;
}

/** One bench at a time; a second one waits for the first. */
export function withScanData(
  say: (line: string) => void,
  work: (data: ScanData) => Promise<void>,
): Promise<void> {
  return withLock(NAME, async () => {
    const stack = await startBroker();
    const admin = new kafkajs.Kafka({ brokers: [stack.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    try {
      await endWithUs(stack.dir);
      await admin.connect();
      await dropOutdated(admin);
      const brokerPid = statusOf(NAME).running[`kafka-${SITE}`] ?? 0;
      await work({
        brokers: stack.brokers,
        brokerPid,
        log: (valueBytes, records, otherKeys = OTHER_KEYS) =>
          ensureLog({ admin, brokers: stack.brokers, say }, { valueBytes, records, otherKeys }),
      });
    } finally {
      await admin.disconnect().catch(() => undefined);
      await stack.stop();
    }
  });
}

/** A port kept from the last run may go to somebody else while the broker begins: then once more on other ones. */
async function startBroker(): Promise<Stack> {
  const options = { name: NAME, database: 'none', sites: [SITE] } as const;
  try {
    return await startStack(options);
  } catch {
    rmSync(join(stackDir(NAME), 'stack.json'), { force: true });
    return await startStack(options);
  }
}

/** However this process ends, the broker does not stay. */
async function endWithUs(dir: string): Promise<void> {
  const owner = identify(process.pid);
  if (!owner) throw new Error('cannot read /proc');
  await startServer({
    command: process.execPath,
    args: [REAPER, dir, String(owner.pid), owner.startTime, 'keep'],
    cwd: dir,
    logFile: join(dir, 'reaper.log'),
    pidFile: reaperPidFile(dir),
  });
}

const version = (): string => sha256(readFileSync(WRITER), String(OTHER_KEYS), String(FROM_MS)).slice(0, 8);
const summaries = (): string => join(stackDir(NAME), 'logs-written');
const summaryFile = (topic: string): string => join(summaries(), `${topic}.json`);

async function dropOutdated(admin: Admin): Promise<void> {
  const all = (await admin.listTopics()).filter((topic) => topic.startsWith('scan-'));
  const outdated = all.filter((topic) => !topic.endsWith(version()));
  for (const topic of outdated) rmSync(summaryFile(topic), { force: true });
  if (outdated.length > 0) await admin.deleteTopics({ topics: outdated });
}

interface Writing {
  readonly admin: Admin;
  readonly brokers: string;
  readonly say: (line: string) => void;
}

interface Summary {
  readonly records: number;
  readonly common: number;
  readonly rare: number;
}

interface What {
  readonly valueBytes: number;
  readonly records: number;
  readonly otherKeys: number;
}

async function ensureLog(writing: Writing, what: What): Promise<ScanLog> {
  const { valueBytes, records, otherKeys } = what;
  const keys = otherKeys === OTHER_KEYS ? '' : `-${otherKeys}k`;
  const topic = `scan-${valueBytes}b-${records}${keys}-${version()}`;
  const kept = readIfPresent(summaryFile(topic));
  const isThere = kept !== undefined && (await endOf(writing.admin, topic)) === records;
  const { common, rare } = isThere ? (JSON.parse(kept) as Summary) : await write(writing, topic, what);
  const end = await endOf(writing.admin, topic);
  if (end !== records) throw new Error(`${topic} ends at ${String(end)} instead of ${records}`);
  return {
    ...{ topic, fromMs: FROM_MS, toMs: TO_MS, valueBytes, records },
    wanted: { common, rare },
    storedBytes: storedBytes(topic),
  };
}

async function write(
  { admin, brokers, say }: Writing,
  topic: string,
  { valueBytes, records, otherKeys }: What,
): Promise<Summary> {
  if (records > 1) say(`writing ${fixed(records)} records of ${valueBytes} bytes, once ...`);
  await admin.deleteTopics({ topics: [topic] }).catch(() => undefined);
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(topic, 1);
  await writer.close();
  const what = [topic, records, valueBytes, FROM_MS, TO_MS, KEYS.common, KEYS.rare, otherKeys].map(String);
  const java = ['-XX:+UseSerialGC', '-Xmx512m', '-cp', join(await ensureKafka(), '*'), WRITER];
  const out = await run('java', [...java, brokers, ...what]);
  const text = out.trimEnd().split('\n').at(-1) ?? '';
  const summary = JSON.parse(text) as Summary;
  mkdirSync(summaries(), { recursive: true });
  writeFileSync(`${summaryFile(topic)}.new`, text);
  renameSync(`${summaryFile(topic)}.new`, summaryFile(topic));
  return summary;
}

function halfYearOf(day: Date): number {
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() < 6 ? 0 : 6, 1);
}

/** null when there is no such topic. */
async function endOf(admin: Admin, topic: string): Promise<number | null> {
  const offsets = await admin.fetchTopicOffsets(topic).catch(() => []);
  return offsets[0] === undefined ? null : Number(offsets[0].high);
}

function storedBytes(topic: string): number {
  const folder = join(siteDir(stackDir(NAME), SITE), 'data', `${topic}-0`);
  const segments = readdirSync(folder).filter((file) => file.endsWith('.log'));
  return segments.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}
