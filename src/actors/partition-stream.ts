// Child of ONGOING: keeps one stream per source of the present reading flowing into its pipe, and pins the ends once
// `to` is old enough. Back-pressure is the pipe's; memory beyond one batch per source comes out of the instance's
// budget (source-pump.ts). A resume reads from the start of the pins: below an earlier cut the records only feed the
// dedupe memory.
// A site that cannot be read is the failover's business; when it finds no other, the job ends or waits here.

import { RepriseError } from '../domain/errors.ts';
import { siteOf } from '../domain/ids.ts';
import type { EndsRequest, ReadWait } from '../domain/log.ts';
import type { Pin } from '../domain/job.ts';
import { databaseNow } from './database-now.ts';
import { UNUSABLE_RETRY_MS } from './offset-lookup.ts';
import { pause } from '../domain/pause.ts';
import { PipeAborted } from './pipe.ts';
import type { Reading, ReadSource } from './reading.ts';
import type { Run } from './run.ts';
import { describeWait, pump, streamOf } from './source-pump.ts';

export async function partitionStream(run: Run, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { reading } = run;
    await readUntilLeft(run, reading, AbortSignal.any([signal, reading.signal]));
  }
}

/** Until the job reads something else, also when everything is read. */
async function readUntilLeft(run: Run, reading: Reading, signal: AbortSignal): Promise<void> {
  const left = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
  const sources = reading.sources.map((source) => readSource(run, source, signal));
  try {
    await Promise.all([...sources, pinEnds(run, signal), run.failover.watch(signal)]);
  } catch (error) {
    if (!signal.aborted && !(error instanceof PipeAborted)) throw error;
  }
  await left;
}

/** A job of a replay group begins with the others of it that are claimed here now. */
async function gather(run: Run, who: string, signal: AbortSignal): Promise<void> {
  const { groupId } = run.job.spec;
  if (groupId === null) return;
  run.isGathering = true;
  run.declareWait(who, 'others of its group');
  await run.edges.together.join(groupId, run.job.id, signal);
  run.declareWait(who, null);
  run.isGathering = false;
}

async function readSource(run: Run, source: ReadSource, signal: AbortSignal): Promise<void> {
  const { pin } = source;
  const who = `read ${pin.source}`;
  const onWait = (wait: ReadWait | null): void => {
    run.declareWait(who, describeWait(wait));
    run.failover.waits(pin.source, wait);
  };
  await gather(run, who, signal);
  if (signal.aborted) return;
  const mustReach = (): number => run.progress.cut.nextOf(pin.source);
  const stream = streamOf(run, source, { end: () => endOf(run, pin), mustReach, onWait }, signal);
  try {
    await pump(run, stream, source, signal);
  } catch (error) {
    if (!(error instanceof RepriseError)) throw error;
    if (signal.aborted) return;
    // What the log holds cannot be read as events, and no retry changes that.
    const reason = error.code === 'log_replaced' ? 'log_replaced' : 'nothing_readable';
    const why = reason === 'log_replaced' ? 'replaced' : 'unusable';
    if (await run.failover.leave(siteOf(pin.source), why, signal)) return;
    const fact = { type: 'FAILED', reason, why: error.detail } as const;
    await run.gate.proposeUntilAnswered({ ...fact, fence: run.lease.key.fence }, signal);
  } finally {
    onWait(null);
    await stream.close();
  }
}

/**
 * The pinned end, or the cut where that is further: a fetch may have read past the watermark that was asked for
 * the end before it was committed, and what an earlier owner owes there must be found again. Of a site that was left
 * nothing beyond what the cut and the done minutes know.
 */
function endOf(run: Run, pin: Pin): number | null {
  const next = Math.max(run.progress.cut.nextOf(pin.source), pin.done?.below ?? 0);
  if (pin.isLeft) return next;
  const end = run.context().pins?.find(({ source }) => source === pin.source)?.end ?? null;
  return end === null ? null : Math.max(end, next);
}

/** Waits until `to` + settle by the database's clock, then pins the ends: see the port's `ends`. */
async function pinEnds(run: Run, signal: AbortSignal): Promise<void> {
  const pins = run.context().pins ?? [];
  const open = pins.filter(({ end, isLeft }) => end === null && !isLeft);
  if (open.length === 0) return;
  const { settings } = run.edges;
  const { toMs, fromMs } = run.job.spec;
  const dueMs = toMs + settings.settleMs;
  for (;;) {
    const leftMs = dueMs - (await databaseNow(run, signal));
    if (leftMs <= 0 || signal.aborted) break;
    run.declareWait(
      'pinEnds',
      `the range ends too recently to be pinned before ${new Date(dueMs).toISOString()}`,
    );
    await pause(Math.min(leftMs, 5_000), signal);
  }
  const onWait = (source: string, why: string | null): void => run.declareWait(`pinEnds ${source}`, why);
  run.declareWait('pinEnds', null);
  const readThemselves = run.progress.readThemselves(pins);
  const request = {
    fromMs,
    settledAtMs: dueMs,
    mirrorWaitMs: settings.mirrorWaitMs,
    readThemselves,
    onWait,
  };
  const { ends, evidence } = await askEnds(run, open, request, signal);
  run.declareWait('pinEnds', null);
  if (signal.aborted) return;
  for (const { source } of open) {
    const end = ends[source] ?? 0;
    const seen = evidence[source];
    if (seen === undefined || seen === 'endOffsets') continue;
    run.progress.gap({ source, from: end, to: end, reason: 'mirror_unproven' });
  }
  const fence = run.lease.key.fence;
  const seen = Object.keys(evidence).length > 0 ? { evidence } : {};
  await run.gate.proposeUntilAnswered({ type: 'ENDS_PINNED', fence, ends, ...seen }, signal);
}

/** However long an operator takes to let us see them. Rejects with AbortError. */
async function askEnds(run: Run, pins: readonly Pin[], request: EndsRequest, signal: AbortSignal) {
  for (;;) {
    try {
      return await run.edges.log.ends(pins, request, signal);
    } catch (error) {
      if (!(error instanceof RepriseError)) throw error;
      run.declareWait('pinEnds', error.detail);
      await pause(UNUSABLE_RETRY_MS, signal);
    }
  }
}
