// The metrics of one process; the only importer of prom-client.
// Owned here: registration of the table, the values, their exposition, a bound on label values. Refused: what
// a signal means (signal-metrics). Invariant: `text()` always answers: gauges whose source fails or is late
// are left out and said so by reprise_gauges_up.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Emit } from '../domain/signals.ts';
import { METRIC_PREFIX, METRICS, OWN_METRICS, ASKED_METRICS, type Metric } from './metric-table.ts';
import { feedFrom, type Meter } from './signal-metrics.ts';

/** A value that is asked for at each scrape, in the metric's base unit (seconds, bytes, count). */
export interface GaugeReading {
  readonly gauge: keyof typeof ASKED_METRICS;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricsOptions {
  readonly version: string;
  /** What only others know. May reject. */
  readonly gauges: () => Promise<readonly GaugeReading[]>;
}

export interface Metrics {
  /** A listener for the signal bus. */
  readonly listen: Emit;
  /** The exposition text (Prometheus 0.0.4). */
  readonly text: () => Promise<string>;
}

type Labels = Readonly<Record<string, string>>;
const NO_LABELS: Labels = {};
/** More label values than this are counted together as "other", unless the table says otherwise. */
const MAX_SERIES = 200;
const GAUGES_DEADLINE_MS = 3000;
/** prom-client names these gauges like counters: `promtool check metrics` refuses them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export function createMetrics({ version, gauges }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const meters = new Map(METRICS.map((metric) => [metric.name, meterOf(metric, registry)]));
  const meter = ({ name }: Metric): TableMeter => {
    const found = meters.get(name);
    if (!found) throw new Error(`metric ${name} is not in the table`);
    return found;
  };
  meter(OWN_METRICS.build).set(1, { version, node: process.versions.node });
  return {
    listen: feedFrom(meter),
    text: async () => {
      await refresh(meter, gauges);
      return registry.metrics();
    },
  };
}

interface TableMeter extends Meter {
  readonly reset: () => void;
}

async function refresh(
  meter: (metric: Metric) => TableMeter,
  gauges: MetricsOptions['gauges'],
): Promise<void> {
  const readings = await inTime(gauges);
  for (const metric of Object.values(ASKED_METRICS)) meter(metric).reset();
  for (const { gauge, value, labels } of readings ?? []) meter(ASKED_METRICS[gauge]).set(value, labels);
  meter(OWN_METRICS.asked).set(readings ? 1 : 0);
}

/** The readings; null when they fail or take too long. */
async function inTime(gauges: MetricsOptions['gauges']): Promise<readonly GaugeReading[] | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), GAUGES_DEADLINE_MS);
  try {
    return await Promise.race([gauges(), late.promise]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function meterOf(metric: Metric, registry: Registry): TableMeter {
  const fixed = {
    name: METRIC_PREFIX + metric.name,
    help: metric.help,
    labelNames: [...metric.labels],
    registers: [registry],
  };
  const bound = boundedLabels(metric.labels, metric.maxSeries ?? MAX_SERIES);
  if (metric.type === 'counter') {
    const counter = new Counter(fixed);
    return meterFrom({ add: (by, labels) => counter.inc(bound(labels), by) }, () => counter.reset());
  }
  if (metric.type === 'histogram') {
    const histogram = new Histogram({ ...fixed, buckets: [...(metric.buckets ?? [])] });
    return meterFrom({ observe: (value) => histogram.observe(value) }, () => histogram.reset());
  }
  const gauge = new Gauge(fixed);
  return meterFrom(
    {
      add: (by, labels) => gauge.inc(bound(labels), by),
      set: (value, labels) => gauge.set(bound(labels), value),
    },
    // An asked gauge that nobody answers must be absent, not 0.
    () => (metric.labels.length === 0 ? gauge.remove() : gauge.reset()),
  );
}

function meterFrom(verbs: Partial<Meter>, reset: () => void): TableMeter {
  const refuse = (): never => {
    throw new Error('this kind of metric has no such verb');
  };
  return { add: refuse, set: refuse, observe: refuse, ...verbs, reset };
}

/** Lets the first `most` combinations through and counts the rest as one. */
function boundedLabels(names: readonly string[], most: number): (labels: Labels | undefined) => Labels {
  if (names.length === 0) return () => NO_LABELS;
  const seen = new Set<string>();
  const other: Labels = Object.fromEntries(names.map((name) => [name, 'other']));
  return (labels = NO_LABELS) => {
    const series = names.map((name) => labels[name] ?? '').join('\u0000');
    if (seen.has(series)) return labels;
    if (seen.size >= most) return other;
    seen.add(series);
    return labels;
  };
}
