// What the replay bench prints: one row per peer with its ratio to Reprise and whether it delivered exactly what was
// wanted, and how truly a capped rate was kept.

import { fixed, percentile, table } from './figures.ts';
import type { ReplayRun } from './peer-run.ts';
import type { ReplayPeer } from './replay-peers.ts';
import type { ScanLog } from './scan-data.ts';
import { WINDOW_MS, windowRates } from './windows.ts';

/** Around the cap, in every window of 10 s. */
const TOLERANCE = 0.01;
/** More than this of the cap is never saved up. */
const BURST_MS = 100;
/** The beginning and the end of a replay belong to no window. */
const EDGE_MS = 1_000;
const SECOND_MS = 1_000;
/** Of all cores: above it the machine is what is measured. */
const BUSY_SHARE = 0.25;
const STEP_MS = 100;
/** As fine as the receiver counts. */
const FINE_STEP_MS = 10;

const median = (values: readonly number[]): number => percentile(values, 0.5);

export function reportReplays(
  peers: readonly ReplayPeer[],
  runs: ReadonlyMap<string, readonly ReplayRun[]>,
  log: ScanLog,
  notes: readonly string[],
): string {
  const own = runs.get('reprise') ?? [];
  const batches = runs.get('reprise-ndjson') ?? [];
  const ownCpu = median(own.map(({ cpuMicros }) => cpuMicros));
  const row = (name: string, all: readonly ReplayRun[]): string[] => {
    const cpu = all.map(({ cpuMicros }) => cpuMicros);
    return [
      name,
      spread(
        all.map(({ perSecond }) => perSecond),
        0,
      ),
      spread(cpu, 1),
      fixed(median(cpu) / ownCpu, 1),
      fixed(median(all.map(({ peakMib }) => peakMib))),
      fixed(all[0]?.wanted ?? NaN),
      exactness(all),
    ];
  };
  const heads = ['', 'events/s', 'CPU µs/event', 'x Reprise', 'peak RSS MiB', 'wanted', 'delivered'];
  return [
    '## A whole replay of one partition',
    `${fixed(log.records)} records of ${fixed(log.valueBytes)} B, ${fixed(log.wanted.common)} wanted, written by Kafka's Java producer with snappy. Medians of ${own.length} rounds, in brackets the least and the most. CPU is the sending process's user and system time.`,
    peers.map(({ name, version }) => `- ${name}: ${version}`).join('\n'),
    ...notes,
    table([
      heads,
      row('Reprise', own),
      row('Reprise, NDJSON of 100', batches),
      ...peers.map((peer) => row(peer.name, runs.get(peer.id) ?? [])),
    ]),
    peers.map((peer) => verdict(peer, runs.get(peer.id) ?? [], own)).join('\n'),
    'In NDJSON batches of 100, beside the peers’ single events:',
    peers.map((peer) => verdict(peer, runs.get(peer.id) ?? [], batches)).join('\n'),
  ].join('\n\n');
}

function verdict({ name, target }: ReplayPeer, all: readonly ReplayRun[], own: readonly ReplayRun[]): string {
  const cpu = (runs: readonly ReplayRun[]): number => median(runs.map(({ cpuMicros }) => cpuMicros));
  const reached = cpu(all) / cpu(own);
  const holds = reached >= target ? 'holds' : '**does not hold**';
  return `- CPU per delivered event: ${fixed(reached, 1)} x less than ${name}, at least ${target}: ${holds}`;
}

function exactness(all: readonly ReplayRun[]): string {
  const lost = all.reduce((sum, { wanted, arrived }) => sum + Math.max(0, wanted - arrived.distinct), 0);
  const repeated = all.reduce((sum, { arrived }) => sum + arrived.events - arrived.distinct, 0);
  const foreign = all.reduce((sum, { wanted, arrived }) => sum + Math.max(0, arrived.distinct - wanted), 0);
  if (lost + repeated + foreign === 0) return 'exactly';
  return `**${fixed(lost)} lost, ${fixed(repeated)} repeated, ${fixed(foreign)} foreign**`;
}

const spread = (values: readonly number[], digits: number): string =>
  `${fixed(median(values), digits)} (${fixed(Math.min(...values), digits)}-${fixed(Math.max(...values), digits)})`;

export interface CappedRun {
  /** Of each event, in order, since the first and to the receiver's slot of time. */
  readonly atMs: readonly number[];
  /** CPU time that others took meanwhile, of all cores. */
  readonly foreignShare: number;
}

export function reportRate({ atMs: arrivals, foreignShare }: CappedRun, perSecond: number): string {
  const stretch = { fromMs: EDGE_MS, toMs: (arrivals.at(-1) ?? 0) - EDGE_MS };
  const long = windowRates(arrivals, stretch, { windowMs: WINDOW_MS, stepMs: STEP_MS });
  const whole = { fromMs: 0, toMs: arrivals.at(-1) ?? 0 };
  const short = windowRates(arrivals, whole, { windowMs: SECOND_MS, stepMs: FINE_STEP_MS });
  const [low, high] = [perSecond * (1 - TOLERANCE), perSecond * (1 + TOLERANCE)];
  const ceiling = perSecond + (perSecond * BURST_MS) / SECOND_MS;
  const within = long.filter((rate) => rate >= low && rate <= high).length;
  const isTrue = long.length > 0 && within === long.length;
  const isBounded = short.every((rate) => rate <= ceiling);
  const row = (name: string, rates: readonly number[], allowed: string, holds: boolean): string[] => [
    name,
    fixed(rates.length),
    ...[0, 0.5, 1].map((share) => fixed(percentile(rates, share), 1)),
    `${allowed}: ${holds ? 'holds' : '**does not hold**'}`,
  ];
  return [
    `## A replay capped at ${fixed(perSecond)}/s`,
    `${fixed(arrivals.length)} events in ${fixed((arrivals.at(-1) ?? 0) / SECOND_MS, 1)} s; ${fixed(within)} of ${fixed(long.length)} windows of 10 s are within 1 %. Other work took ${fixed(foreignShare * 100)} % of the cores.`,
    table([
      ['window', 'windows', 'min/s', 'median/s', 'max/s', 'allowed'],
      row('10 s, sliding by 100 ms', long, `${fixed(low)} to ${fixed(high)}`, isTrue),
      row('1 s, sliding by 10 ms', short, `at most ${fixed(ceiling)}`, isBounded),
    ]),
    foreignShare > BUSY_SHARE
      ? "**THE MACHINE ITSELF WAS TOO BUSY**: pacing needs processes that get their turn. These windows are the machine's, not the product's."
      : 'The machine had time for it.',
  ].join('\n\n');
}
