// Child of ONGOING: keeps one stream per source flowing into its pipe, and pins the ends once `to` is old
// enough. Back-pressure is the pipe's; memory beyond one batch per source comes out of the instance's budget.
// It reads from the start of the pins: below an earlier cut the records only feed the dedupe memory.

import { RepriseError } from '../domain/errors.ts';
import type { EventBatch, LogStream, ReadWait } from '../domain/log.ts';
import type { Pin } from '../domain/job.ts';
import { heldBytes } from './memory-budget.ts';
import { databaseNow } from './offset-lookup.ts';
import { pause } from '../domain/pause.ts';
import type { Pipe } from './pipe.ts';
import type { Run } from './run.ts';

export async function partitionStream(run: Run, signal: AbortSignal): Promise<void> {
  const reading = run.sources.map(({ pin, batches }) => readSource(run, pin, batches, signal));
  await Promise.all([...reading, pinEnds(run, signal)]);
}

async function readSource(run: Run, pin: Pin, pipe: Pipe<EventBatch>, signal: AbortSignal): Promise<void> {
  const { key, fromMs, toMs, identity, scan } = run.job.spec;
  const stream = run.edges.log.stream(
    {
      pin,
      start: pin.start,
      key,
      fromMs,
      toMs,
      identity,
      // The end of a second reading is where its last piece ends, however late that is.
      scan: pin.pieces ? 'full' : scan,
      end: () => endOf(run, pin),
      mustReach: () => run.progress.cut.nextOf(pin.source),
      onWait: (wait) => run.declareWait(`read ${pin.source}`, describe(wait)),
    },
    signal,
  );
  try {
    await pump(run, stream, pipe, signal);
  } catch (error) {
    if (!(error instanceof RepriseError)) throw error;
    // What the log holds cannot be read as events, and no retry changes that.
    const reason = error.code === 'log_replaced' ? 'log_replaced' : 'nothing_readable';
    const fact = { type: 'FAILED', reason, why: error.detail } as const;
    await run.gate.proposeUntilAnswered({ ...fact, fence: run.lease.key.fence }, signal);
  } finally {
    await stream.close();
  }
}

async function pump(run: Run, stream: LogStream, pipe: Pipe<EventBatch>, signal: AbortSignal): Promise<void> {
  for (;;) {
    const batch = await stream.next();
    if (signal.aborted) return;
    run.progress.mark++;
    await run.budget.room(() => pipe.isEmpty, signal);
    run.budget.take(bytesOf(batch));
    await pipe.put(batch);
    if (batch.done) {
      pipe.end();
      return;
    }
  }
}

/** What a batch takes from the budget; given back as each event is settled. */
function bytesOf(batch: EventBatch): number {
  let bytes = 0;
  for (const event of batch.events) bytes += heldBytes(event);
  return bytes;
}

/**
 * The pinned end, or the cut where that is further: a fetch may have read past the watermark that was asked for
 * the end before it was committed, and what an earlier owner owes there must be found again.
 */
function endOf(run: Run, pin: Pin): number | null {
  const end = run.context().pins?.find(({ source }) => source === pin.source)?.end ?? null;
  return end === null ? null : Math.max(end, run.progress.cut.nextOf(pin.source));
}

/** Waits until `to` + settle by the database's clock, then pins the ends at the high watermarks. */
async function pinEnds(run: Run, signal: AbortSignal): Promise<void> {
  const { pins } = run.context();
  if (!pins || pins.every((pin) => pin.end !== null)) return;
  const dueMs = run.job.spec.toMs + run.edges.settings.settleMs;
  for (;;) {
    const leftMs = dueMs - (await databaseNow(run, signal));
    if (leftMs <= 0 || signal.aborted) break;
    run.declareWait(
      'pinEnds',
      `the range ends too recently to be pinned before ${new Date(dueMs).toISOString()}`,
    );
    await pause(Math.min(leftMs, 5_000), signal);
  }
  const ends = await run.edges.log.ends(pins, signal);
  run.declareWait('pinEnds', null);
  if (signal.aborted) return;
  await run.gate.proposeUntilAnswered({ type: 'ENDS_PINNED', fence: run.lease.key.fence, ends }, signal);
}

function describe(wait: ReadWait | null): string | null {
  if (!wait) return null;
  return wait.detail === '' ? wait.why : `${wait.why}: ${wait.detail}`;
}
