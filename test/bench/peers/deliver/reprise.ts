// Reprise's delivery as the product runs it: signing, pace, window, lease, repeat bound, cut, settlement, ledger,
// signals and metrics. Fed from memory in dedupe's chunks; the store is in memory (memory-run.ts).
//   node reprise.ts URL EVENTS CONNECTIONS [EVENTS_PER_REQUEST]

import { delivery } from '../../../../src/actors/delivery.ts';
import { heldBytes } from '../../../../src/actors/memory-budget.ts';
import type { LogEvent } from '../../../../src/domain/log.ts';
import { SINGLE } from '../../../../src/domain/message.ts';
import { SOURCE } from '../../../support/example.ts';
import { memoryRun } from './memory-run.ts';
import { EVENT, EVENT_TIME_MS, eventId, finish, work } from './work.ts';

/** As dedupe offers them. */
const CHUNK = 64;

const maxEvents = Number(process.argv[5] ?? '1');
const profile = maxEvents === 1 ? SINGLE : { mode: 'ndjson' as const, maxEvents, maxBytes: 262_144 };
const ongoing = new AbortController();
const run = memoryRun(profile, () => ongoing.abort());
const { cut } = run.progress;

/** The ledger sums it; which one does not matter. */
const DIGEST = Buffer.alloc(32, 0xa5).toString('latin1');

function eventOf(offset: number): LogEvent {
  const id = eventId(offset);
  return {
    source: SOURCE,
    partition: 0,
    offset,
    timestampMs: EVENT_TIME_MS,
    value: EVENT,
    eventId: id,
    identity: id,
    digest: DIGEST,
    scannedBefore: 1,
  };
}

async function feed(): Promise<void> {
  for (let from = 0; from < work.events; from += CHUNK) {
    const size = Math.min(CHUNK, work.events - from);
    const chunk = Array.from({ length: size }, (_, index) => eventOf(from + index));
    for (const event of chunk) {
      run.budget.take(heldBytes(event));
      cut.owe(SOURCE, event.offset, event.identity);
    }
    cut.advance(SOURCE, from + size);
    await run.work.put(chunk);
  }
  run.work.end();
}

await Promise.all([delivery(run, ongoing.signal), feed()]);
finish(run.progress.counts.delivered);
