// The points that the growth bench measures, and the logs that they are measured on. The kept log of 200 B serves all
// numbers of records by time ranges and all shares by its keys; the kept one of 1 KB is the replay bench's own; the
// same records spread over more partitions are written anew, by the keys' own partitions, to the run's broker.

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import { LogWriter } from '../support/log-writer.ts';
import { fixed } from './figures.ts';
import type { Point } from './growth-run.ts';
import type { Rig } from './rig.ts';
import { KEYS } from './scan-data.ts';
import type { ScanData, ScanLog } from './scan-data.ts';

export const PARTS = ['records', 'events', 'values', 'partitions', 'instances'] as const;
/** Each has about 1 % of the records. */
const OTHER_KEYS = 90;
const ONE_PERCENT = 'customer-0001000';
const NOTHING = 'customer-0000003';
export const SMALL_BYTES = 200;
export const LARGE_BYTES = 1_000;
/** What the replay bench keeps. */
const LARGE_RECORDS = 1_500_000;
const PARTITIONS = [1, 4, 16];
const INSTANCES = 2;
/** A hundred on each of 16 partitions: no job there finds more than 1 % of its partition. */
const SPREAD_KEYS = 1_600;
/** What a longer life of the process does to its memory. */
const AGAIN = 3;
const HOUR_MS = 3_600_000;

export interface Sizes {
  /** Records of the kept log, rising. */
  readonly sizes: readonly number[];
  /** Of the points that vary something else. */
  readonly records: number;
}

export async function pointsOf(
  rig: Rig,
  data: ScanData,
  parts: readonly string[],
  { sizes, records }: Sizes,
  say: (line: string) => void,
): Promise<Point[]> {
  const points: Point[] = [];
  if (parts.includes('records') || parts.includes('events')) {
    const kept = await data.log(SMALL_BYTES, Math.max(...sizes, records), OTHER_KEYS);
    const on = (size: number) => onKept(data, kept, size);
    if (parts.includes('records')) {
      for (const size of sizes) {
        points.push(on(size)('records', 'nothing', NOTHING), on(size)('records', '1 %', ONE_PERCENT));
      }
      const last = on(Math.max(...sizes))('again', '1 %', ONE_PERCENT);
      points.push({ ...last, name: `${last.name}, ${AGAIN} times over`, times: AGAIN });
    }
    if (parts.includes('events')) {
      points.push(on(records)('events', '0.1 %', KEYS.rare), on(records)('events', '10 %', KEYS.common));
    }
  }
  if (parts.includes('values')) {
    const large = await data.log(LARGE_BYTES, LARGE_RECORDS);
    const on = onKept(data, large, LARGE_RECORDS);
    points.push(on('values', 'nothing', NOTHING), on('values', '0.1 %', KEYS.rare));
  }
  const most = Math.max(...PARTITIONS);
  const spread = PARTITIONS.filter(
    (count) => parts.includes('partitions') || (parts.includes('instances') && count === most),
  );
  for (const count of spread) {
    const point = await spreadOver(rig, count, records, say);
    if (parts.includes('partitions')) points.push(point);
    if (parts.includes('instances') && count === most) {
      points.push({ ...point, ...nameOf(count, INSTANCES), part: 'instances', instances: INSTANCES });
    }
  }
  return points;
}

/** Times rise evenly with the offsets, so a share of the time is that share of the records. */
const onKept =
  ({ brokers }: ScanData, { topic, fromMs, toMs, records, valueBytes }: ScanLog, size: number) =>
  (part: string, wanted: string, key: string): Point => ({
    ...{ part, brokers, topic, keys: [key], instances: 1, times: 1 },
    name: `${fixed(size)} of ${fixed(valueBytes)} B, ${wanted} wanted`,
    range: { fromMs, toMs: fromMs + Math.round((size / records) * (toMs - fromMs)) },
  });

async function spreadOver(
  { stack: { brokers } }: Rig,
  partitions: number,
  records: number,
  say: (line: string) => void,
): Promise<Point> {
  const topic = `growth_${partitions}`;
  say(`writing ${fixed(records)} records over ${partitions} partitions ...`);
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(topic, partitions);
  await writer.close();
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const range = { fromMs: toMs - 2 * HOUR_MS, toMs };
  const { keys } = await generateWithJava(
    { brokers, topic, compression: 'snappy' },
    { records, keys: SPREAD_KEYS, keyPrefix: 'customer-', valueBytes: SMALL_BYTES, ...range },
  );
  const firsts = new Map<number, string>();
  for (const [key, partition] of Object.entries(keys).sort()) {
    if (!firsts.has(partition)) firsts.set(partition, key);
  }
  if (firsts.size !== partitions) throw new Error(`keys on ${firsts.size} of ${partitions} partitions`);
  const name = nameOf(partitions, 1);
  return {
    ...name,
    part: 'partitions',
    brokers,
    topic,
    range,
    keys: [...firsts.values()],
    instances: 1,
    times: 1,
  };
}

const nameOf = (partitions: number, instances: number): { readonly name: string } => ({
  name: `${partitions} partition${partitions === 1 ? '' : 's'}, ${partitions} job${partitions === 1 ? '' : 's'}, ${instances} instance${instances === 1 ? '' : 's'}`,
});
