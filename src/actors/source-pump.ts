// One source into its pipe: the stream is asked for a batch when there is room for one. Memory beyond one batch per
// source comes out of the instance's budget.

import type { LogStream, ReadWait, StreamRequest } from '../domain/log.ts';
import { heldBytesOf } from './memory-budget.ts';
import type { ReadSource } from './reading.ts';
import type { Run } from './run.ts';

/** Opens the stream of a source of the job's range; `more` says where it ends. */
export function streamOf(
  run: Run,
  { pin, from }: ReadSource,
  more: Pick<StreamRequest, 'end' | 'mustReach' | 'onWait'>,
  signal: AbortSignal,
): LogStream {
  const { key, fromMs, toMs, identity, scan, filters } = run.job.spec;
  // The end of a second reading is where its last piece ends, however late that is.
  const range = { key, fromMs, toMs, identity, scan: pin.pieces ? 'full' : scan } as const;
  return run.edges.log.stream({ pin, start: from, filters, ...range, ...more }, signal);
}

/** Until the last batch is in the pipe, or `signal` aborts. Rejects as the stream does. */
export async function pump(
  run: Run,
  stream: LogStream,
  { batches }: ReadSource,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const batch = await stream.next();
    if (signal.aborted) return;
    run.progress.mark++;
    await run.budget.room(() => batches.isEmpty, signal);
    // What is put into the pipe is given back by whoever leaves it; nothing may be taken after that.
    if (signal.aborted) return;
    // Given back as each event is settled.
    run.budget.take(heldBytesOf(batch.events));
    await batches.put(batch);
    if (batch.done) {
      batches.end();
      return;
    }
  }
}

interface ScanBounds extends Required<Pick<StreamRequest, 'end' | 'mustReach'>> {
  /** Aborted when the broker does not answer for longer than the limit. */
  readonly lost: AbortController;
}

/** A reading beside the job's own: it ends, instead of waiting, when its broker is away for too long. */
export async function readInto(
  run: Run,
  source: ReadSource,
  { end, mustReach, lost }: ScanBounds,
  signal: AbortSignal,
): Promise<void> {
  const who = `scan ${source.pin.source}`;
  let timer: NodeJS.Timeout | undefined;
  const onWait = (wait: ReadWait | null): void => {
    run.declareWait(who, describeWait(wait));
    clearTimeout(timer);
    if (wait?.why !== 'broker') return;
    const error = new Error(`${source.pin.source} cannot be read: ${wait.detail}`);
    timer = setTimeout(() => lost.abort(error), run.edges.settings.siteDownMs);
  };
  const stream = streamOf(run, source, { end, mustReach, onWait }, signal);
  try {
    await pump(run, stream, source, signal);
  } finally {
    clearTimeout(timer);
    run.declareWait(who, null);
    await stream.close();
  }
}

export function describeWait(wait: ReadWait | null): string | null {
  if (!wait) return null;
  return wait.detail === '' ? wait.why : `${wait.why}: ${wait.detail}`;
}
