// Kafka's own Java producer as a test tool: what it writes is what real senders write (murmur2
// partitions, xerial-framed snappy, transactions), and it is several times faster than KafkaJS.
// The program is stack/java/ProduceLog.java, compiled once by the JDK that must be there.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureFolder, ensureKafka, kafkaVersion } from './artifacts.ts';
import { nativeLibrariesIn } from './kafka.ts';
import { libDir, repositoryDir, sha256 } from './paths.ts';
import { run } from './run.ts';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface JavaTarget {
  readonly brokers: string;
  readonly topic: string;
  readonly compression?: Compression;
  /** Any producer setting of Kafka, for example `{ 'batch.size': '16384' }`. */
  readonly config?: Readonly<Record<string, string>>;
  readonly transaction?: { readonly id: string; readonly end: 'commit' | 'abort' };
}

export interface JavaRecord {
  readonly key: Buffer | string | null;
  readonly timestampMs: number;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, Buffer | string>>;
  /** Overrides the choice of the Java partitioner. */
  readonly partition?: number;
}

export interface Placed {
  readonly partition: number;
  readonly offset: number;
}

export interface GenerateOptions {
  readonly records: number;
  readonly keys?: number;
  readonly keyPrefix?: string;
  readonly valueBytes?: number;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly jitterMs?: number;
  readonly wantedKey?: string;
  readonly wantedShare?: number;
  readonly eventIdHeader?: string;
  readonly seed?: number;
}

export interface ProduceSummary {
  readonly records: number;
  /** Records of the wanted key. */
  readonly wanted: number;
  readonly bytes: number;
  readonly millis: number;
  readonly partitions: Readonly<Record<string, number>>;
  /** Partition per key, of the first 10,000 keys. */
  readonly keys: Readonly<Record<string, number>>;
}

/** An open transaction: it holds back the last stable offset until the broker times it out. */
export interface HangingTransaction {
  readonly placed: readonly Placed[];
  /** kill -9: the transaction stays open until `transaction.timeout.ms` has passed. */
  kill(): Promise<void>;
}

/** Sends records in order and tells where the Java producer put each. */
export async function produceWithJava(target: JavaTarget, records: readonly JavaRecord[]): Promise<Placed[]> {
  const args = [...(await command(target)), ...transactionArgs(target)];
  return readPlaced(await run('java', args, { input: records.map(toLine).join('') }));
}

/** Makes up a log, the same for the same options; a million records of 200 bytes take some seconds. */
export async function generateWithJava(
  target: JavaTarget,
  options: GenerateOptions,
): Promise<ProduceSummary> {
  const given: readonly (readonly [string, string | number | undefined])[] = [
    ['generate', options.records],
    ['keys', options.keys],
    ['key-prefix', options.keyPrefix],
    ['value-bytes', options.valueBytes],
    ['from', options.fromMs],
    ['to', options.toMs],
    ['jitter', options.jitterMs],
    ['wanted-key', options.wantedKey],
    ['wanted-share', options.wantedShare],
    ['event-id-header', options.eventIdHeader],
    ['seed', options.seed],
  ];
  const made = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
  const out = await run('java', [...(await command(target)), ...transactionArgs(target), ...made]);
  return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as ProduceSummary;
}

/** Sends records in a transaction that is neither committed nor aborted. */
export async function hangTransactionWithJava(
  target: Omit<JavaTarget, 'transaction'> & { readonly id: string },
  records: readonly JavaRecord[],
): Promise<HangingTransaction> {
  const args = [...(await command(target)), '--transactional', target.id, '--end', 'hang'];
  // Its stdin is ours: it ends with us, however we end.
  const child = spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let problems = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${records.map(toLine).join('')}\n`);
  let out = '';
  for await (const line of createInterface({ input: child.stdout })) {
    out += `${line}\n`;
    if (line.startsWith('{')) return { placed: readPlaced(out), kill: () => killChild(child, exited) };
  }
  throw new Error(`ProduceLog ended before its transaction hung:\n${problems}`);
}

async function killChild(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

async function command(target: JavaTarget): Promise<string[]> {
  const jars = await ensureKafka();
  const config = Object.entries(target.config ?? {}).flatMap(([name, value]) => [
    '--config',
    `${name}=${value}`,
  ]);
  const classPath = `${join(jars, '*')}:${await ensureCompiled(jars)}`;
  const program = [
    '-XX:+UseSerialGC',
    '-Xmx512m',
    ...nativeLibrariesIn(libDir),
    '-cp',
    classPath,
    'ProduceLog',
    target.brokers,
    target.topic,
  ];
  return [...program, '--compression', target.compression ?? 'none', ...config];
}

async function ensureCompiled(jars: string): Promise<string> {
  const source = join(repositoryDir, 'stack/java/ProduceLog.java');
  const stamp = sha256(readFileSync(source));
  return ensureFolder(join(libDir, `java-${kafkaVersion()}`), stamp, async (folder) => {
    if (!(await hasJavaCompiler())) {
      throw new Error('this Java cannot compile; install a JDK: apt-get install default-jdk-headless');
    }
    // Called as a module, the compiler does not expand `*`.
    const classPath = readdirSync(jars)
      .map((jar) => join(jars, jar))
      .join(':');
    await run('java', [
      '-m',
      'jdk.compiler/com.sun.tools.javac.Main',
      '-cp',
      classPath,
      '-d',
      folder,
      source,
    ]);
  });
}

/** A JRE runs the servers; only this tool needs the compiler of a JDK. */
export async function hasJavaCompiler(): Promise<boolean> {
  return (await run('java', ['--list-modules'])).includes('jdk.compiler@');
}

function transactionArgs({ transaction }: JavaTarget): string[] {
  return transaction ? ['--transactional', transaction.id, '--end', transaction.end] : [];
}

function toLine(record: JavaRecord): string {
  const headers = Object.entries(record.headers ?? {}).map(([name, value]) => `${name}=${base64(value)}`);
  const place = record.partition ?? '';
  return `${[base64(record.key), record.timestampMs, base64(record.value), headers.join(','), place].join('\t')}\n`;
}

function base64(data: Buffer | string | null): string {
  return data === null ? 'null' : Buffer.from(data).toString('base64');
}

function readPlaced(out: string): Placed[] {
  return out.split('\n').flatMap((line) => {
    const [, partition, offset] = line.split('\t');
    return offset === undefined ? [] : [{ partition: Number(partition), offset: Number(offset) }];
  });
}
