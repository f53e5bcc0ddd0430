// While the faults go on, senders go on as well: new events for every webhook, of the last seconds, so that replays
// of young ranges have to wait for what is still coming. With two sites each event is produced at one of them or at
// both. What the producer was told is in the log goes into the ledger as acknowledged; what it was not told may be
// there or not.

import { produceWithJava } from '../../scripts/stack/java-producer.ts';
import type { JavaRecord } from '../../scripts/stack/java-producer.ts';
import type { LedgerRecord } from './ledger.ts';
import { AT_SITES, sha256Of, valueOf } from './log-plan.ts';
import type { LogPlace } from './log-production.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const EVENTS_EACH = 12;
const YOUNG_MS = 1_500;
const COPIED = 0.2;
const AT_BOTH = 0.4;
/** A broker may die meanwhile; then its restart is waited for, but not for ever. */
const PATIENCE = { 'delivery.timeout.ms': '15000', 'request.timeout.ms': '4000', 'max.block.ms': '15000' };

interface Sent {
  readonly record: JavaRecord;
  readonly told: LedgerRecord;
}

export async function liveProduction(world: World, places: readonly LogPlace[]): Promise<void> {
  const random = world.random.fork('live production');
  for (let round = 0; ; round++) {
    await world.pause(random.int(3_000, 9_000));
    if (world.isEnding) return;
    const sent: Sent[] = [];
    const fromMs = Date.now() - YOUNG_MS;
    for (const [index, { key, events: told }] of world.ledger.webhooks.entries()) {
      for (let count = 0; count < EVENTS_EACH; count++) {
        const id = `w${index}-live${round}-${count}`;
        const atMs = fromMs + Math.floor((count * YOUNG_MS) / EVENTS_EACH);
        const value = valueOf(random, key, id);
        const records = places.length === 1 ? inOne(random, atMs) : atSites(random, atMs);
        for (const record of records) {
          const headers = { 'event-id': id };
          sent.push({ record: { key, timestampMs: record.atMs, value, headers }, told: record });
        }
        // Known before it is written: it may be delivered before the producer hears of it.
        told.push({ id, atMs, sha256: sha256Of(value), records });
      }
    }
    await Promise.all(
      places.map((place, index) =>
        produce(
          world,
          place,
          sent.filter(({ told }) => told.place === index),
        ),
      ),
    );
  }
}

function inOne(random: Random, atMs: number): readonly LedgerRecord[] {
  const copies = random.chance(COPIED) ? 2 : 1;
  return Array.from({ length: copies }, () => ({ place: 0, atMs, ackedMs: null }));
}

function atSites(random: Random, atMs: number): readonly LedgerRecord[] {
  const first = random.int(0, 1);
  const skewMs = random.int(0, AT_SITES.skewMs);
  const copy = { place: 1 - first, atMs: atMs + skewMs, ackedMs: null };
  return [{ place: first, atMs, ackedMs: null }, ...(random.chance(AT_BOTH) ? [copy] : [])];
}

async function produce({ timeline }: World, place: LogPlace, sent: readonly Sent[]): Promise<void> {
  try {
    const records = sent.map(({ record }) => record);
    await produceWithJava({ ...place, compression: 'lz4', config: PATIENCE }, records);
    const ackedMs = Date.now();
    timeline.note('a production while it went on');
    for (const { told } of sent) told.ackedMs = ackedMs;
  } catch (error) {
    timeline.note('a production was not acknowledged', { why: String(error).slice(0, 200) });
  }
}
