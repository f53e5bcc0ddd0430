// The way of the ledger: a job goes on at a site although nobody can read what its cut says of another one. The memory
// of the owner before is lost with that site, but the minute ledger is not. The new site's whole range is scanned
// once, and the minutes whose deduped events are exactly those that the ledger holds as delivered or dead-lettered are
// done: their events fill the memory. All others are set to zero, in the transaction of the fact, and sent again; what
// had been counted there is added to the job's stated bound.
//
// What `done` says holds below the offsets of this scan only: an event that arrives later in a done minute is new.

import { DedupeMemory } from '../domain/dedupe-memory.ts';
import { EarliestMinutes } from '../domain/earliest-minutes.ts';
import { messageOf } from '../domain/errors.ts';
import type { SourceName } from '../domain/ids.ts';
import type { Piece, Pin, SwitchReason } from '../domain/job.ts';
import { MINUTE_MS, MinuteLedger, isSettledBy, runsOf } from '../domain/minute-ledger.ts';
import type { MinuteEntry } from '../domain/minute-ledger.ts';
import { latestEndMs, lookupWithin } from './failover.ts';
import { heldBytes } from './memory-budget.ts';
import { Merge } from './merge.ts';
import { Reading } from './reading.ts';
import type { Run } from './run.ts';
import { readInto } from './source-pump.ts';

export interface Leaving {
  /** The site that cannot be read. */
  readonly from: string;
  readonly why: SwitchReason;
}

interface Seen {
  readonly ledger: MinuteLedger;
  readonly earliest: EarliestMinutes;
}

interface Found extends Seen {
  /** Per source where the scan ended. */
  readonly below: Readonly<Record<SourceName, number>>;
}

const isSettled = ({ delivered, deadLettered }: MinuteEntry): boolean => delivered + deadLettered > 0;

/** The answer to the fact; null when the site cannot be read either. */
export async function switchByLedger(
  run: Run,
  site: string,
  { from, why }: Leaving,
  signal: AbortSignal,
): Promise<'committed' | 'refused' | 'fenced' | null> {
  const { progress, edges } = run;
  const lookup = await lookupWithin(run, site, edges.settings.siteDownMs, signal);
  if (!lookup) return null;
  const settled = progress.ledger.entries().filter(isSettled);
  run.declareWait('ledger', `comparing what site ${site} holds with what was settled`);
  const found = settled.length > 0 ? await scan(run, lookup.pins, settled, signal) : NOTHING;
  run.declareWait('ledger', null);
  if (!found || signal.aborted) return null;
  const byMinute = new Map(found.ledger.entries().map((entry) => [entry.minute, entry]));
  const isDone = (entry: MinuteEntry): boolean => {
    const there = byMinute.get(entry.minute);
    return there !== undefined && isSettledBy(there, entry);
  };
  const done = settled.filter(isDone);
  const again = settled.filter((entry) => !isDone(entry));
  const minutes = runsOf(done.map(({ minute }) => minute));
  const pins = lookup.pins.map((pin): Pin => {
    const below = found.below[pin.source] ?? pin.start;
    return { ...pin, ...(minutes.length > 0 && { done: { below, minutes } }) };
  });
  const boundAdded = again.reduce((sum, { delivered, deadLettered }) => sum + delivered + deadLettered, 0);
  run.memory = memoryOf(run, found, minutes);
  const write = progress.againWrite(pins, done, again, lookup.gaps);
  const waitingUntilMs = await latestEndMs(run, pins, signal);
  // An answer that was lost: the fact is there all the same, and would be legal once more.
  const applied = new AbortController();
  run.switching = { write, applied: () => applied.abort() };
  const answer = await run.gate.proposeUntilAnswered(
    {
      type: 'SITE_SWITCHED',
      fence: run.lease.key.fence,
      site,
      from,
      why,
      pins,
      waitingUntilMs,
      by: 'ledger',
      boundAdded,
    },
    AbortSignal.any([signal, applied.signal]),
    { write },
  );
  return applied.signal.aborted ? 'committed' : answer;
}

const NOTHING: Found = { ledger: new MinuteLedger(), earliest: new EarliestMinutes(), below: {} };

function memoryOf(run: Run, { earliest }: Found, minutes: readonly Piece[]): DedupeMemory {
  const memory = new DedupeMemory(run.edges.settings.dedupeMaxEntries);
  for (const identity of earliest.within(minutes)) memory.add(identity);
  return memory;
}

/** Everything that the site holds of the range now, each event once; null when it cannot be read to the end. */
async function scan(
  run: Run,
  pins: readonly Pin[],
  settled: readonly MinuteEntry[],
  signal: AbortSignal,
): Promise<Found | null> {
  const lost = new AbortController();
  const either = AbortSignal.any([signal, lost.signal]);
  const below = await run.edges.log.watermarks(pins, either);
  const reading = new Reading(pins, ({ start }) => start, run.budget);
  const pumps = reading.sources.map((source) =>
    readInto(run, source, { end: () => below[source.pin.source] ?? 0, mustReach: () => 0, lost }, either),
  );
  const pumped = Promise.all(pumps).catch((error: unknown) => {
    lost.abort(error);
  });
  try {
    const found = await collect(run, reading, settled);
    if (found) await pumped;
    return found ? { ...found, below } : { ...NOTHING, below };
  } catch (error) {
    if (signal.aborted) throw error;
    run.lastRefusal = `comparing with the ledger: ${messageOf(error)}`;
    return null;
  } finally {
    lost.abort();
    reading.leave();
    await pumped;
  }
}

async function collect(run: Run, reading: Reading, settled: readonly MinuteEntry[]): Promise<Seen | null> {
  const wanted = new Set(settled.map(({ minute }) => minute));
  const ledger = new MinuteLedger();
  const earliest = new EarliestMinutes();
  const sources = reading.sources.map(({ pin, batches }) => ({ source: pin.source, batches }));
  let hasGaps = false;
  const merge = new Merge(sources, {
    batch: ({ gaps }) => {
      hasGaps ||= gaps.length > 0;
    },
  });
  try {
    for (;;) {
      const event = await merge.next();
      // What is missing now may be there when the memory is filled again, and change whose minute is whose.
      if (!event) return hasGaps ? null : { ledger, earliest };
      run.budget.release(heldBytes(event));
      if (event.value === null) continue;
      const minute = Math.floor(event.timestampMs / MINUTE_MS);
      const known = earliest.see(event.identity, minute);
      if (known !== null && known <= minute) continue;
      if (known !== null && wanted.has(known)) ledger.takeBack(known, event.digest);
      if (wanted.has(minute)) ledger.delivered(event.timestampMs, event.digest);
      // More than can be remembered: what was settled cannot be told from the rest.
      if (earliest.size > run.edges.settings.dedupeMaxEntries) return null;
    }
  } finally {
    reading.release(merge.leave());
  }
}
