// Reading one partition: Reprise's reader beside other readers of the same log, on a real broker that shares the
// machine with them. Each is a process of its own; in each round all take their turn, the order rotates, and what a
// process needs to begin (a log of one record, read by the same program) is measured too and taken off. A reader
// that reads another number of records, or finds another number of wanted ones, fails the bench.
//   npm run bench -- scan [--rounds 3] [--sizes 1000,200] [--only reprise,kcat] [--records 100000]

import { availableParallelism, loadavg } from 'node:os';
import { fixed, percentile } from './figures.ts';
import { Busyness } from './machine.ts';
import { measuredRun } from './measured-run.ts';
import type { MeasuredRun } from './measured-run.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import type { Rig } from './rig.ts';
import { KEYS, withScanData } from './scan-data.ts';
import type { ScanData, ScanLog } from './scan-data.ts';
import { PEER_IDS, findPeers, kcatKeys } from './scan-peers.ts';
import type { Peer, Read, Reading } from './scan-peers.ts';
import { reportCommands, reportTable } from './scan-report.ts';
import type { Figures, Sample } from './scan-report.ts';

/** Some seconds of reading each, and together below 3 GB on the disk. */
const RECORDS: Readonly<Record<number, number>> = { 1000: 1_500_000, 200: 4_000_000 };
const OTHER_SIZE_BYTES = 800_000_000;
/** What is wanted, and the share of the records it is. */
const SHARES = [
  ['common', '10 %'],
  ['rare', '0.1 %'],
] as const;
type Share = (typeof SHARES)[number][0];

type Say = (line: string) => void;

interface Settings {
  readonly rounds: number;
  readonly sizes: readonly number[];
  readonly only: readonly string[];
  readonly records: number | null;
}

/** The samples of one size: by peer, and by what was wanted. */
class Samples {
  readonly #all = new Map<string, Sample[]>();

  add(peer: Peer, share: Share, sample: Sample): void {
    const key = this.#key(peer, share);
    this.#all.set(key, [...(this.#all.get(key) ?? []), sample]);
  }

  of(peer: Peer, share: Share): readonly Sample[] {
    return this.#all.get(this.#key(peer, share)) ?? [];
  }

  #key = (peer: Peer, share: Share): string => (peer.byKey ? `${peer.id} ${share}` : peer.id);
}

export async function scan(_rig: Rig, say: Say): Promise<void> {
  const settings = readSettings();
  const notes: string[] = [];
  const peers = await findPeers(settings.only, (note) => {
    notes.push(note);
    say(note);
  });
  await withScanData(say, async (data) => {
    const empty = await data.log(200, 1);
    const starts = new Map<string, MeasuredRun[]>();
    for (const [index, size] of settings.sizes.entries()) {
      const log = await data.log(
        size,
        settings.records ?? RECORDS[size] ?? Math.ceil(OTHER_SIZE_BYTES / size),
      );
      if (index === 0) say(reportCommands(peers, readingOf(data, log, 'common'), notes));
      const samples = new Samples();
      const proof = await warmAndProve(data, log, peers);
      for (let round = 0; round < settings.rounds; round++) {
        await oneRound({ data, log, empty, peers, starts, samples, round, say });
      }
      for (const [share, name] of SHARES) {
        const figures = peers.map((peer) =>
          figuresOf(peer, samples.of(peer, share), starts.get(peer.id) ?? [], log),
        );
        say(reportTable(figures, log, { name, wanted: log.wanted[share] }, proof));
      }
    }
  });
}

function readSettings(): Settings {
  const { rounds, sizes = '1000,200', records, only } = readOptions();
  return {
    rounds: wholeNumber(rounds),
    sizes: sizes.split(',').map(wholeNumber),
    only: chosen(only, PEER_IDS),
    records: records === undefined ? null : wholeNumber(records),
  };
}

/** Brings the log into the machine's page cache, and counts what kcat reads where its output is kept. */
async function warmAndProve(data: ScanData, log: ScanLog, peers: readonly Peer[]): Promise<string> {
  const reading = readingOf(data, log, 'common');
  if (!peers.some(({ id }) => id === 'kcat')) {
    if (peers[0]) await measuredRun(peers[0].command(reading));
    return '';
  }
  const read = await kcatKeys(reading);
  if (read.records !== log.records || read.wanted !== log.wanted.common) {
    throw new Error(`kcat prints ${JSON.stringify(read)} of ${JSON.stringify(log)}`);
  }
  return `kcat with its keys printed (not timed) gave ${fixed(read.records)} records, ${fixed(read.wanted)} of the 10 % key.`;
}

interface Round {
  readonly data: ScanData;
  readonly log: ScanLog;
  /** One record: what it takes to read this is what it takes to begin. */
  readonly empty: ScanLog;
  readonly peers: readonly Peer[];
  readonly starts: Map<string, MeasuredRun[]>;
  readonly samples: Samples;
  readonly round: number;
  readonly say: Say;
}

async function oneRound(each: Round): Promise<void> {
  const { data, log, empty, peers, starts, samples, round, say } = each;
  const turn = round % peers.length;
  const said: string[] = [];
  for (const peer of [...peers.slice(turn), ...peers.slice(0, turn)]) {
    const { run: start } = await readOnce(data, peer, empty, 'common');
    starts.set(peer.id, [...(starts.get(peer.id) ?? []), start]);
    for (const [share] of SHARES.slice(0, peer.byKey ? 2 : 1)) {
      const sample = await readOnce(data, peer, log, share);
      samples.add(peer, share, sample);
      said.push(`${peer.id} ${fixed(log.records / sample.run.wallMs)}`);
    }
  }
  const load = fixed(loadavg()[0] ?? NaN, 1);
  say(`${log.valueBytes} B, round ${round + 1}, k records/s with start-up: ${said.join(', ')}; load ${load}`);
}

const readingOf = ({ brokers }: ScanData, { topic, records }: ScanLog, share: Share): Reading => ({
  brokers,
  topic,
  key: KEYS[share],
  records,
});

async function readOnce(data: ScanData, peer: Peer, log: ScanLog, share: Share): Promise<Sample> {
  const reading = readingOf(data, log, share);
  const busy = new Busyness([data.brokerPid, process.pid]);
  const run = await measuredRun(peer.command(reading), { discard: peer.discard });
  const others = busy.foreignShare - run.cpuMs / busy.elapsedMs / availableParallelism();
  const read = peer.read(run.out, reading);
  refuseOther(read, peer, log, share);
  return { run, read, foreignShare: Math.max(0, others) };
}

function refuseOther(read: Read, { id }: Peer, log: ScanLog, share: Share): void {
  const isSame =
    (read.records ?? log.records) === log.records && (read.wanted ?? log.wanted[share]) === log.wanted[share];
  if (isSame) return;
  throw new Error(`${id} read ${JSON.stringify(read)} of ${log.records} with ${log.wanted[share]} wanted`);
}

function figuresOf(
  peer: Peer,
  samples: readonly Sample[],
  starts: readonly MeasuredRun[],
  { records }: ScanLog,
): Figures {
  const startMs = percentile(
    starts.map(({ wallMs }) => wallMs),
    0.5,
  );
  const startCpuMs = percentile(
    starts.map(({ cpuMs }) => cpuMs),
    0.5,
  );
  return {
    peer,
    startMs,
    startCpuMs,
    read: samples[0]?.read ?? { records: null, wanted: null },
    rates: samples.map(({ run }) => records / (run.wallMs - startMs)),
    cpuMicros: samples.map(({ run }) => ((run.cpuMs - startCpuMs) * 1_000) / records),
    peaksMib: samples.map(({ run }) => run.peakMib),
    foreignShares: samples.map(({ foreignShare }) => foreignShare),
  };
}
