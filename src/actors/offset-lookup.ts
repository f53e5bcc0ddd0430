// Child of STARTED: pins the job's range, or takes up the pins of an earlier owner after proving that the log
// under them is still the same. Proposes exactly one fact and then stands still: the next state has others.

import { RepriseError } from '../domain/errors.ts';
import type { BatchMark, Pin } from '../domain/job.ts';
import { pause } from '../domain/pause.ts';
import type { Run } from './run.ts';

const UNUSABLE_RETRY_MS = 2_000;

export async function offsetLookup(run: Run, signal: AbortSignal): Promise<void> {
  run.declareWait('offsetLookup', 'looking up offsets');
  while (!signal.aborted) {
    try {
      const { pins } = run.context();
      await (pins ? continueFrom(run, pins, signal) : resolve(run, signal));
      break;
    } catch (error) {
      // A topic that must not be read as it is now: an operator can mend it, so the job waits and says why.
      if (!(error instanceof RepriseError)) throw error;
      run.declareWait('offsetLookup', error.detail);
      await pause(UNUSABLE_RETRY_MS, signal);
    }
  }
  run.declareWait('offsetLookup', null);
}

async function resolve(run: Run, signal: AbortSignal): Promise<void> {
  const { log, settings } = run.edges;
  const { spec } = run.job;
  const fence = run.lease.key.fence;
  const settledAtMs = spec.toMs + settings.settleMs;
  // The claim tells a time that the database's clock has passed; only a range that it does not settle has to ask.
  const claimedAtMs = run.context().lastFact?.atMs ?? 0;
  const pinEnds = claimedAtMs >= settledAtMs || (await databaseNow(run, signal)) >= settledAtMs;
  const range = {
    key: spec.key,
    fromMs: spec.fromMs,
    toMs: spec.toMs,
    identity: spec.identity,
    scan: spec.scan,
  };
  const { site, partition, pins, gaps } = await log.lookup(range, pinEnds, signal);
  if (signal.aborted) return;
  const nothing =
    pinEnds && gaps.length === 0 && pins.every((pin) => pin.end !== null && pin.end <= pin.start);
  if (nothing) {
    await run.gate.proposeUntilAnswered({ type: 'NOTHING_TO_REPLAY', fence, site, partition, pins }, signal);
    return;
  }
  // Begun here, so that the fact's own transaction holds the gaps: a crash right after it must not forget them.
  for (const { source, start } of pins) {
    if (!run.progress.cut.has(source)) run.progress.cut.begin(source, start);
  }
  for (const gap of gaps) run.progress.gap(gap);
  const waitingUntilMs = pinEnds ? null : settledAtMs;
  await run.gate.proposeUntilAnswered(
    { type: 'OFFSETS_RESOLVED', fence, site, partition, pins, waitingUntilMs },
    signal,
  );
}

async function continueFrom(run: Run, pins: readonly Pin[], signal: AbortSignal): Promise<void> {
  const fence = run.lease.key.fence;
  const found = await run.edges.log.marks(pins, signal);
  if (signal.aborted) return;
  const replaced = pins.find((pin) => isReplaced(pin, found[pin.source] ?? null));
  if (replaced) {
    const why = `${replaced.source} holds another batch at offset ${replaced.start} than when the job was pinned`;
    await run.gate.proposeUntilAnswered({ type: 'FAILED', fence, reason: 'log_replaced', why }, signal);
    return;
  }
  await run.gate.proposeUntilAnswered({ type: 'CONTINUED', fence }, signal);
}

/** Another batch there, or none although the log goes on. Null = retention, which the reader names as a gap. */
function isReplaced({ first }: Pin, found: BatchMark | null): boolean {
  if (!first || !found) return false;
  return (
    found.offset !== first.offset || found.crc !== first.crc || found.maxTimestampMs !== first.maxTimestampMs
  );
}

/** The database's clock, however long the database takes to answer. */
export async function databaseNow(run: Run, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return await run.edges.store.nowMs();
    } catch {
      if (signal.aborted) return 0;
      await pause(500, signal);
    }
  }
}
