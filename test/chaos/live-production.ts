// While the faults go on, senders go on as well: new events for every webhook, of the last seconds, so that replays
// of young ranges have to wait for what is still coming. What the producer was told is in the log goes into the
// ledger as acknowledged; what it was not told may be there or not.

import { produceWithJava } from '../../scripts/stack/java-producer.ts';
import type { JavaRecord } from '../../scripts/stack/java-producer.ts';
import type { LedgerEvent } from './ledger.ts';
import { sha256Of, valueOf } from './log-plan.ts';
import type { World } from './world.ts';

const EVENTS_EACH = 12;
const YOUNG_MS = 1_500;
/** A broker may die meanwhile; then its restart is waited for, but not for ever. */
const PATIENCE = { 'delivery.timeout.ms': '15000', 'request.timeout.ms': '4000', 'max.block.ms': '15000' };

export async function liveProduction(world: World, topic: string): Promise<void> {
  const random = world.random.fork('live production');
  for (let round = 0; ; round++) {
    await world.pause(random.int(3_000, 9_000));
    if (world.isEnding) return;
    const records: JavaRecord[] = [];
    const events: LedgerEvent[] = [];
    const fromMs = Date.now() - YOUNG_MS;
    for (const [index, { key, events: told }] of world.ledger.webhooks.entries()) {
      for (let count = 0; count < EVENTS_EACH; count++) {
        const id = `w${index}-live${round}-${count}`;
        const timestampMs = fromMs + Math.floor((count * YOUNG_MS) / EVENTS_EACH);
        const value = valueOf(random, key, id);
        const copies = random.chance(0.2) ? 2 : 1;
        const record = { key, timestampMs, value, headers: { 'event-id': id } };
        for (let copy = 0; copy < copies; copy++) records.push(record);
        const event = { id, atMs: timestampMs, sha256: sha256Of(value), copies, ackedMs: null };
        events.push(event);
        // Known before it is written: it may be delivered before the producer hears of it.
        told.push(event);
      }
    }
    await produce(world, topic, records, events);
  }
}

async function produce(
  { stack, timeline }: World,
  topic: string,
  records: readonly JavaRecord[],
  events: readonly LedgerEvent[],
): Promise<void> {
  try {
    await produceWithJava({ brokers: stack.brokers, topic, compression: 'lz4', config: PATIENCE }, records);
    const ackedMs = Date.now();
    timeline.note('a production while it went on');
    for (const event of events) event.ackedMs = ackedMs;
  } catch (error) {
    timeline.note('a production was not acknowledged', { why: String(error).slice(0, 200) });
  }
}
