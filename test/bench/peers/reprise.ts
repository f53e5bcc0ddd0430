// Reprise's reader as the product uses it: look the range up, read its stream, count the events. In a process of
// its own, so that what it costs is measured alone.
//   node reprise.ts BROKERS TOPIC KEY END

import type { EventBatch } from '../../../src/domain/log.ts';
import { createDeliveryLog } from '../../../src/kafka/delivery-log.ts';

const DAY_MS = 86_400_000;

const [brokers = '', topic = '', key = '', end = ''] = process.argv.slice(2);
const log = createDeliveryLog(
  {
    sites: [{ name: 'bench', brokers: brokers.split(','), topics: [topic] }],
    partitions: null,
    // The product's defaults.
    disorderSlackMs: 900_000,
    openTransactionWaitMs: 60_000,
  },
  () => undefined,
);
const { signal } = new AbortController();
const range = { key, fromMs: 0, toMs: Date.now() + DAY_MS, identity: 'value', scan: 'bounded' } as const;
const { pins } = await log.lookup(log.sites[0] ?? '', range, true, signal);
const [pin] = pins;
if (!pin || pin.start !== 0 || pin.end !== Number(end)) throw new Error(`pinned ${JSON.stringify(pins)}`);
const stream = log.stream({ ...range, pin, start: pin.start, end: () => pin.end }, signal);
let records = 0;
let wanted = 0;
let batch: EventBatch;
do {
  batch = await stream.next();
  if (batch.gaps.length > 0) throw new Error(`gaps: ${JSON.stringify(batch.gaps)}`);
  records += batch.scanned;
  wanted += batch.events.length;
} while (!batch.done);
process.stdout.write(`${JSON.stringify({ records, wanted })}\n`, () => process.exit(0));
