// The readers that the scan bench compares: what each is, the words that call it, and what it says it has read.
// One that this machine cannot have is told, with the reason, and left out.

import { join } from 'node:path';
import { ensureKafka, kafkaVersion } from '../../scripts/stack/artifacts.ts';
import { ensureKcat } from '../../scripts/stack/kcat.ts';
import { run } from '../../scripts/stack/run.ts';
import { findAll } from './find-peers.ts';
import { goProgram } from './go-program.ts';
import { npmVersion } from './peer-figures.ts';

const PEERS = join(import.meta.dirname, 'peers');
/** As kafka-consumer-perf-test.sh calls its class. */
const JVM = [
  '-Xmx512M',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
];
const DATA_IN_MB = 2;
const RECORDS_READ = 4;

/** What to read: partition 0 of the topic, from its beginning up to an offset. */
export interface Reading {
  readonly brokers: string;
  readonly topic: string;
  readonly key: string;
  readonly records: number;
}

/** null: this reader cannot tell. */
export interface Read {
  readonly records: number | null;
  readonly wanted: number | null;
}

export interface Peer {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Whether it looks at the key; the others read the same whatever is wanted. */
  readonly byKey: boolean;
  /** Its output is not looked at, and goes to /dev/null. */
  readonly discard: boolean;
  command(reading: Reading): readonly string[];
  read(out: string, reading: Reading): Read;
}

type Finder = () => Promise<Omit<Peer, 'id'>>;

const FINDERS: Readonly<Record<string, Finder>> = {
  reprise: () => Promise.resolve({ ...nodePeer('reprise.ts'), name: 'Reprise', version: 'this checkout' }),
  kcat: findKcat,
  java: findJava,
  'franz-go': findFranzGo,
  kafkajs: () => {
    const version = `${npmVersion('kafkajs')} with kafkajs-snappy ${npmVersion('kafkajs-snappy')}`;
    return Promise.resolve({ ...nodePeer('kafkajs.ts'), name: 'KafkaJS consumer', version });
  },
  'fetch-only': () =>
    Promise.resolve({
      ...nodePeer('fetch-only.ts'),
      name: 'fetch only (the limit)',
      version: 'this checkout',
      byKey: false,
    }),
};

export const PEER_IDS = Object.keys(FINDERS);

/** Those of `ids` that this machine has; the others are told by `say`. */
export const findPeers = (ids: readonly string[], say: (line: string) => void): Promise<Peer[]> =>
  findAll<Peer>(FINDERS, ids, say);

function nodePeer(file: string): Pick<Peer, 'byKey' | 'discard' | 'command' | 'read'> {
  return {
    byKey: true,
    discard: false,
    command: ({ brokers, topic, key, records }) => [
      process.execPath,
      '--disable-warning=TimeoutNegativeWarning',
      '--disable-warning=ExperimentalWarning',
      join(PEERS, file),
      ...[brokers, topic, key, String(records)],
    ],
    read: readJson,
  };
}

function readJson(out: string): Read {
  const { records, wanted } = JSON.parse(out) as Partial<Read>;
  return { records: records ?? null, wanted: wanted ?? null };
}

async function findKcat(): Promise<Omit<Peer, 'id'>> {
  const words = await ensureKcat();
  const [program = '', ...rest] = words;
  const about = await run(program, [...rest, '-V']);
  const [, own = '?', library = '?'] = /^Version (\S+) \(.*librdkafka (\S+)/m.exec(about) ?? [];
  return {
    name: 'kcat, output discarded',
    version: `${own}, librdkafka ${library}`,
    byKey: false,
    discard: true,
    command: (reading) => [...words, ...kcatArguments(reading, '\\n')],
    // It ends well only after so many records; that they are the right ones is looked at once, see `kcatKeys`.
    read: (_, { records }) => ({ records, wanted: null }),
  };
}

const kcatArguments = ({ brokers, topic, records }: Reading, format: string): string[] => [
  '-C',
  '-q',
  '-b',
  brokers,
  '-t',
  topic,
  '-p',
  '0',
  '-o',
  '0',
  '-c',
  String(records),
  '-f',
  format,
];

/** Not for the clock: how many records kcat reads, and how many have the key. */
export async function kcatKeys(reading: Reading): Promise<Read> {
  const words = [...(await ensureKcat()), ...kcatArguments(reading, '%k\\n')];
  const counted = await run('bash', [
    '-c',
    'set -o pipefail; key=$1; shift; "$@" | awk -v key="$key" \'$0 == key { w++ } END { print NR, w + 0 }\'',
    'bash',
    reading.key,
    ...words,
  ]);
  const [records = NaN, wanted = NaN] = counted.trim().split(' ').map(Number);
  return { records, wanted };
}

async function findJava(): Promise<Omit<Peer, 'id'>> {
  const jars = join(await ensureKafka(), '*');
  const java = (await run('java', ['--version'])).split('\n')[0] ?? '';
  return {
    name: 'Kafka ConsumerPerformance',
    version: `${kafkaVersion()}, ${java}`,
    byKey: false,
    discard: false,
    command: ({ brokers, topic, records }) => [
      ...['java', ...JVM, '-cp', jars, 'org.apache.kafka.tools.ConsumerPerformance'],
      ...['--bootstrap-server', brokers, '--topic', topic, '--messages', String(records), '--hide-header'],
    ],
    read: (out) => {
      const cells = out.split('\n').map((line) => line.split(', '));
      const last = cells.findLast((line) => line.length > RECORDS_READ && Number(line[DATA_IN_MB]) >= 0);
      return { records: last === undefined ? null : Number(last[RECORDS_READ]), wanted: null };
    },
  };
}

async function findFranzGo(): Promise<Omit<Peer, 'id'>> {
  const { path, version } = await goProgram('franz-go', 'franz-go-reader', 'github.com/twmb/franz-go');
  return {
    name: 'franz-go',
    version,
    byKey: true,
    discard: false,
    command: ({ brokers, topic, key, records }) => [path, brokers, topic, key, String(records)],
    read: readJson,
  };
}
