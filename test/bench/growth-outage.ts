// What a regional outage would need, computed from the fitted constants of CPU time. Nothing here is measured at that
// size: it says what bounds such a replay if cost stays as linear as it was measured to be. A few lines of arithmetic
// on purpose; docs/PERFORMANCE.md has them in words.

import { fixed, table } from './figures.ts';

/** CPU seconds of an instance. */
export interface Costs {
  /** Of scanning one record of the outage's size. */
  readonly record: number;
  /** Of taking one event out of the log and delivering it. */
  readonly event: number;
  readonly job: number;
  /** Fetched from the brokers, of one record. */
  readonly recordBytes: number;
  /** Peak of one instance. */
  readonly instanceMib: number;
}

export interface Outage {
  readonly perSecond: number;
  readonly seconds: number;
  readonly partitions: number;
  readonly webhooks: number;
  /** Events per second to one webhook. */
  readonly cap: number;
  readonly cores: number;
  /** Of an instance's cores, what work may fill. */
  readonly filled: number;
}

export const REGION: Outage = {
  ...{ perSecond: 100_000, seconds: 6 * 3_600, partitions: 1_024, webhooks: 10_000, cap: 2_500 },
  ...{ cores: 4, filled: 0.7 },
};
/** The brokers hold five days of it. */
const KEPT_SECONDS = 5 * 86_400;
const INSTANCES = [4, 16, 64, 256];
const HOUR = 3_600;
const SHARED = { yes: 'shared scans', no: 'each job alone' } as const;

export interface Needs {
  readonly records: number;
  readonly events: number;
  /** Of one core each. */
  readonly scanSeconds: number;
  readonly deliverSeconds: number;
  readonly brokerBytes: number;
  readonly coreSeconds: number;
}

/** All webhooks of the region are asked for at once, and every event of the log is one of theirs. */
export function needsOf(costs: Costs, outage: Outage, shared: boolean): Needs {
  const events = outage.perSecond * outage.seconds;
  const perPartition = outage.webhooks / outage.partitions;
  // A partition without a webhook is not read at all.
  const records = events * (shared ? Math.min(1, perPartition) : perPartition);
  const [scanSeconds, deliverSeconds] = [records * costs.record, events * costs.event];
  const coreSeconds = scanSeconds + deliverSeconds + outage.webhooks * costs.job;
  return {
    records,
    events,
    scanSeconds,
    deliverSeconds,
    brokerBytes: records * costs.recordBytes,
    coreSeconds,
  };
}

/** The least seconds that each of them allows; the longest one bounds. */
export function boundsOf(
  costs: Costs,
  outage: Outage,
  needs: Needs,
  instances: number,
): Record<string, number> {
  return {
    'rate cap': needs.events / outage.webhooks / outage.cap,
    cores: needs.coreSeconds / (instances * outage.cores * outage.filled),
    'delivering threads': needs.deliverSeconds / (instances * outage.filled),
    // A partition is scanned by one thread at a time.
    partitions: (needs.records / outage.partitions) * costs.record,
  };
}

/** The smallest number of instances that ends within `seconds`; null when none does. */
export function instancesFor(costs: Costs, outage: Outage, needs: Needs, seconds: number): number | null {
  const one = boundsOf(costs, outage, needs, 1);
  if (Math.max(one['rate cap'] ?? 0, one['partitions'] ?? 0) > seconds) return null;
  return Math.ceil(Math.max(one['cores'] ?? 0, one['delivering threads'] ?? 0) / seconds);
}

export function reportOutage(costs: Costs, outage: Outage): string {
  const [shared, alone] = [needsOf(costs, outage, true), needsOf(costs, outage, false)];
  const both = (name: string, cell: (needs: Needs) => string): string[] => [name, cell(shared), cell(alone)];
  const gib = (bytes: number): string => `${fixed(bytes / 2 ** 30)} GiB`;
  return [
    `### Computed: an outage of a region`,
    `${fixed(outage.webhooks)} webhooks, ${fixed(outage.perSecond)} events/s of 1 KB over ${fixed(outage.partitions)} partitions, an outage of ${fixed(outage.seconds / HOUR)} hours; all webhooks are replayed at once at up to ${fixed(outage.cap)}/s each. The log holds five days, ${fixed((outage.perSecond * KEPT_SECONDS) / 1e9, 1)} billion records; only the range is read. **Computed from the constants above, not measured.**`,
    table([
      ['', SHARED.yes, SHARED.no],
      both('records to scan, billions', ({ records }) => fixed(records / 1e9, 2)),
      both('events to deliver, billions', ({ events }) => fixed(events / 1e9, 2)),
      both('core hours of scanning', ({ scanSeconds }) => fixed(scanSeconds / HOUR, 1)),
      both('core hours of delivering', ({ deliverSeconds }) => fixed(deliverSeconds / HOUR, 1)),
      both('core hours of jobs', () => fixed((outage.webhooks * costs.job) / HOUR, 2)),
      both('fetched from brokers', ({ brokerBytes }) => gib(brokerBytes)),
      both(`instances of ${outage.cores} cores for one hour`, (needs) =>
        String(instancesFor(costs, outage, needs, HOUR) ?? 'none suffice'),
      ),
    ]),
    table([
      [
        'instances',
        `hours, ${SHARED.yes}`,
        'bound by',
        'brokers MiB/s',
        `hours, ${SHARED.no}`,
        'bound by',
        'RSS of all GiB',
      ],
      ...INSTANCES.map((instances) => {
        const cells = [shared, alone].map((needs) => ({
          needs,
          ...longest(costs, outage, needs, instances),
        }));
        const [one, other] = cells;
        return [
          fixed(instances),
          fixed((one?.seconds ?? NaN) / HOUR, 2),
          one?.name ?? '',
          fixed(shared.brokerBytes / 2 ** 20 / (one?.seconds ?? NaN)),
          fixed((other?.seconds ?? NaN) / HOUR, 2),
          other?.name ?? '',
          fixed((instances * costs.instanceMib) / 1_024, 1),
        ];
      }),
    ]),
  ].join('\n\n');
}

function longest(
  costs: Costs,
  outage: Outage,
  needs: Needs,
  instances: number,
): { readonly name: string; readonly seconds: number } {
  const bounds = Object.entries(boundsOf(costs, outage, needs, instances));
  const [name, seconds] = bounds.reduce((top, each) => (each[1] > top[1] ? each : top));
  return { name, seconds };
}
