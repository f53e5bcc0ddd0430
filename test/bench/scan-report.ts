// What the scan bench prints: the readers with their versions and exact commands, one table per size of the values
// and share wanted, and whether the targets hold.

import { fixed, median, table } from './figures.ts';
import type { MeasuredRun } from './measured-run.ts';
import { ratio, shownCommand, spread } from './peer-figures.ts';
import type { ScanLog } from './scan-data.ts';
import type { Peer, Read, Reading } from './scan-peers.ts';

export interface Sample {
  readonly run: MeasuredRun;
  readonly read: Read;
  /** CPU time that neither the reader nor the broker took, of all cores. */
  readonly foreignShare: number;
}

/** Of one reader at one size and share; per round, without its start-up. */
export interface Figures {
  readonly peer: Peer;
  readonly read: Read;
  readonly startMs: number;
  readonly startCpuMs: number;
  /** Thousand records per second. */
  readonly rates: readonly number[];
  /** Per record. */
  readonly cpuMicros: readonly number[];
  readonly peaksMib: readonly number[];
  readonly foreignShares: readonly number[];
}

interface Target {
  readonly of: 'kcat' | 'kafkajs';
  readonly figure: 'wall' | 'CPU';
  /** By the bytes of a value. Wall: at least so many times the peer's rate; CPU: at most so many times its time. */
  readonly limits: Readonly<Record<number, number>>;
}

const TARGETS: readonly Target[] = [
  { of: 'kcat', figure: 'wall', limits: { 1000: 1.8, 200: 2.2 } },
  { of: 'kcat', figure: 'CPU', limits: { 1000: 0.75, 200: 0.6 } },
  { of: 'kafkajs', figure: 'wall', limits: { 1000: 6, 200: 10 } },
];
const MIB = 2 ** 20;

/** `reading`: one of those that were measured. */
export function reportCommands(peers: readonly Peer[], reading: Reading, notes: readonly string[]): string {
  const lines = peers.map((peer) => {
    const words = shownCommand(peer.command(reading));
    return `- ${peer.name}, ${peer.version}: \`${words}${peer.discard ? ' > /dev/null' : ''}\``;
  });
  return ['## Reading one partition', lines.join('\n'), ...notes].join('\n\n');
}

export function reportTable(
  all: readonly Figures[],
  log: ScanLog,
  share: { readonly name: string; readonly wanted: number },
  proof: string,
): string {
  const reprise = all.find(({ peer }) => peer.id === 'reprise');
  const packed = (log.records * log.valueBytes) / log.storedBytes;
  const count = (value: number | null): string => (value === null ? 'cannot tell' : fixed(value));
  return [
    `### Values of ${fixed(log.valueBytes)} B, ${share.name} wanted`,
    `${fixed(log.records)} records (${fixed(share.wanted)} wanted), written by Kafka's Java producer with snappy: ${fixed(log.storedBytes / MIB)} MiB stored, values packed ${fixed(packed, 1)} times. Medians of ${all[0]?.rates.length ?? 0} rounds, in brackets the least and the most; start-up taken off.`,
    table([
      [
        'reader',
        'k records/s',
        'x Reprise',
        'CPU µs/record',
        'x Reprise',
        'peak RSS MiB',
        'start-up ms (CPU)',
        'foreign CPU %',
        'records',
        'wanted',
      ],
      ...all.map((each) => [
        each.peer.name,
        spread(each.rates, 0),
        ratio(each.rates, reprise?.rates),
        spread(each.cpuMicros, 2),
        ratio(each.cpuMicros, reprise?.cpuMicros),
        fixed(median(each.peaksMib)),
        `${fixed(each.startMs)} (${fixed(each.startCpuMs)})`,
        fixed(median(each.foreignShares) * 100),
        count(each.read.records),
        count(each.read.wanted),
      ]),
    ]),
    proof,
    tooShort(all, log),
    verdicts(all, log.valueBytes),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** What is taken off must not be most of what was measured. */
function tooShort(all: readonly Figures[], { records }: ScanLog): string {
  const short = all.filter(({ rates, startMs }) => !(records / median(rates) > startMs));
  if (short.length === 0) return '';
  const names = short.map(({ peer }) => peer.name).join('; ');
  return `**Too few records to tell**: the start-up took longer than the reading in ${names}.`;
}

function verdicts(all: readonly Figures[], valueBytes: number): string {
  const own = all.find(({ peer }) => peer.id === 'reprise');
  return TARGETS.flatMap(({ of, figure, limits }) => {
    const limit = limits[valueBytes];
    const other = all.find(({ peer }) => peer.id === of);
    if (limit === undefined || !own || !other) return [];
    const isWall = figure === 'wall';
    const reached = isWall
      ? median(own.rates) / median(other.rates)
      : median(own.cpuMicros) / median(other.cpuMicros);
    const holds = isWall ? reached >= limit : reached <= limit;
    const said = `${fixed(reached, 2)} x ${other.peer.name.split(',')[0] ?? of}, ${isWall ? 'at least' : 'at most'} ${limit}`;
    return [`- ${figure}: ${said}: ${holds ? 'holds' : '**does not hold**'}`];
  }).join('\n');
}
