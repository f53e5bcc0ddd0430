// What the growth bench prints: a table per thing that grows, the fitted model with its residuals, the verdicts on
// memory, and the outage that is computed from the constants. Fits are over the medians of the rounds.

import { fixed, median, table } from './figures.ts';
import { fitted, leastSquares } from './growth-fit.ts';
import type { Fit } from './growth-fit.ts';
import { REGION, reportOutage } from './growth-outage.ts';
import { LARGE_BYTES, PARTS } from './growth-points.ts';
import type { Point, Sample } from './growth-run.ts';

const PEAK_MIB = 300;
const END_RATIO = 1.1;
const BASE_RECORDS = 1_000_000;
const TERMS = [
  'fixed',
  'delivering at all',
  'per million records',
  'per fetched MiB',
  'per 1,000 events',
  'per further job',
] as const;
const TITLES: ReadonlyMap<string, string> = new Map([
  ['records', 'Records on the partition'],
  ['again', 'The same process again'],
  ['events', 'Share wanted'],
  ['values', 'Larger values'],
  ['partitions', 'Partitions, one job each at once'],
  ['instances', 'Instances'],
]);

export interface Measured {
  readonly point: Point;
  readonly samples: readonly Sample[];
}

export interface Growth {
  readonly machine: string;
  readonly rounds: number;
  readonly loads: readonly number[];
  readonly measured: readonly Measured[];
  readonly parts: readonly string[];
}

type Cost = 'seconds' | 'cpuSeconds';

const middle = ({ samples }: Measured, field: keyof Sample): number =>
  median(samples.map((each) => each[field]));
const termsOf = (each: Measured): number[] => [
  1,
  middle(each, 'events') > 0 ? 1 : 0,
  middle(each, 'records') / 1e6,
  middle(each, 'mib'),
  middle(each, 'events') / 1e3,
  each.point.keys.length - 1,
];

export function reportGrowth(growth: Growth): string {
  const { machine, rounds, loads, measured, parts } = growth;
  // A second instance brings a fixed part and a scan thread of its own; only its own table looks at it.
  const modelled = measured.filter(({ point }) => point.instances === 1 && point.times === 1);
  const isWhole = PARTS.every((part) => part === 'instances' || parts.includes(part));
  const fit = (cost: Cost): Fit =>
    leastSquares(modelled.map((each) => ({ value: middle(each, cost), terms: termsOf(each) })));
  const fits = isWhole ? { seconds: fit('seconds'), cpuSeconds: fit('cpuSeconds') } : null;
  return [
    '## Cost over growth',
    `\`npm run bench -- growth\`: ${machine} before; load ${fixed(Math.min(...loads), 1)} to ${fixed(Math.max(...loads), 1)} (median ${fixed(median(loads), 1)}) while it measured. Broker, database and receiver share these cores. Medians of ${rounds} round${rounds === 1 ? '' : 's'}, in brackets the least and the most.`,
    'Time is from the POST until COMPLETED, CPU the user and system time of the instance, which is new for each point: the first job of a process pays for its warm-up. RSS is the kernel’s peak, and what is resident when the last job has ended. The two columns at the end say how far the model below is off.',
    ...[...TITLES].flatMap(([part, title]) => {
      const rows = measured.filter(({ point }) => point.part === part);
      return rows.length === 0 ? [] : [`### ${title}`, tableOf(rows, fits, modelled)];
    }),
    memory(measured),
    ...(fits ? [model(fits, modelled), outage(fits.cpuSeconds, measured)] : ['The model needs all parts.']),
  ].join('\n\n');
}

type Fits = Readonly<Record<Cost, Fit>>;

function tableOf(rows: readonly Measured[], fits: Fits | null, modelled: readonly Measured[]): string {
  const off = (each: Measured, cost: Cost): string => {
    const residual = fits?.[cost].residuals[modelled.indexOf(each)];
    return residual === undefined ? '-' : `${residual < 0 ? '−' : '+'}${fixed(Math.abs(residual) * 100)} %`;
  };
  return table([
    [
      ...['', 'read, k', 'delivered', 'fetched MiB', 'time s', 'CPU s', 'peak RSS MiB', 'RSS at the end'],
      ...['model of time', 'model of CPU'],
    ],
    ...rows.map((each) => [
      each.point.name,
      fixed(middle(each, 'records') / 1e3),
      fixed(middle(each, 'events')),
      fixed(middle(each, 'mib')),
      spread(each, 'seconds'),
      spread(each, 'cpuSeconds'),
      fixed(middle(each, 'peakMib')),
      fixed(middle(each, 'endMib')),
      off(each, 'seconds'),
      off(each, 'cpuSeconds'),
    ]),
  ]);
}

function spread(each: Measured, field: Cost): string {
  const all = each.samples.map((sample) => sample[field]);
  return `${fixed(median(all), 2)} (${fixed(Math.min(...all), 2)}-${fixed(Math.max(...all), 2)})`;
}

/** The last of each kind of records points beside the one of a million. */
function memory(measured: readonly Measured[]): string {
  const peak = Math.max(...measured.map((each) => middle(each, 'peakMib')));
  const verdict = (holds: boolean): string => (holds ? 'holds' : '**does not hold**');
  const lines = ['nothing', '1 %'].flatMap((wanted) => {
    const kind = measured.filter(
      ({ point }) => point.part === 'records' && point.name.includes(`${wanted} wanted`),
    );
    const base = kind.find(({ point }) => point.name.startsWith(`${fixed(BASE_RECORDS)} of`));
    const last = kind.at(-1);
    if (!base || !last || base === last) return [];
    const ratio = middle(last, 'endMib') / middle(base, 'endMib');
    return [
      `- RSS at the end, ${last.point.name}: ${fixed(ratio, 2)} x that of ${fixed(BASE_RECORDS)}, at most ${fixed(END_RATIO, 2)}: ${verdict(ratio <= END_RATIO)}`,
    ];
  });
  return [
    ...lines,
    `- largest peak: ${fixed(peak)} MiB, below ${PEAK_MIB}: ${verdict(peak < PEAK_MIB)}`,
  ].join('\n');
}

function model(fits: Fits, modelled: readonly Measured[]): string {
  const row = (name: string, { constants, residuals }: Fit): string[] => {
    const sizes = residuals.map(Math.abs);
    const percent = (value: number): string => `${fixed(value * 100)} %`;
    return [
      name,
      ...constants.map((each) => fixed(each * 1_000, 2)),
      percent(median(sizes)),
      percent(Math.max(...sizes)),
    ];
  };
  return [
    '### The model',
    `time, and likewise CPU = fixed + delivering at all + a × records + b × fetched bytes + c × events + d × (jobs − 1). Least squares of the relative residuals over the ${modelled.length} points with one instance (“delivering at all” is the warm-up of a process that sends its first events); a constant that would be below zero is 0. In milliseconds:`,
    table([
      ['ms', ...TERMS, 'residual, median', 'largest'],
      row('time', fits.seconds),
      row('CPU', fits.cpuSeconds),
    ]),
  ].join('\n\n');
}

function outage({ constants }: Fit, measured: readonly Measured[]): string {
  const large = measured.filter(({ point }) => point.part === 'values');
  const records = large.reduce((sum, each) => sum + middle(each, 'records'), 0);
  const mib = large.reduce((sum, each) => sum + middle(each, 'mib'), 0);
  const perRecord = fitted([0, ...constants.slice(2, 4)], { terms: [0, 1e-6, mib / records] });
  const [eventCost = NaN, job = NaN] = constants.slice(4);
  const costs = {
    record: perRecord,
    event: eventCost / 1e3,
    job,
    recordBytes: (mib / records) * 2 ** 20,
    instanceMib: Math.max(...measured.map((each) => middle(each, 'peakMib'))),
  };
  return [
    reportOutage(costs, REGION),
    `A record of ${fixed(LARGE_BYTES)} B (${fixed(costs.recordBytes)} B fetched) is taken at ${fixed(costs.record * 1e6, 2)} µs, an event at ${fixed(costs.event * 1e6, 1)} µs, a job at ${fixed(costs.job * 1e3, 1)} ms, an instance at ${fixed(costs.instanceMib)} MiB; of ${REGION.cores} cores ${fixed(REGION.filled * 100)} % may be filled, of which one delivers.`,
  ].join('\n\n');
}
