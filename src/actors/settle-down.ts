// How a run ends by itself, once nothing is in flight: it drained, or somebody wished it to stop. The last cut
// goes into the same transaction as the fact, so nothing is repeated after a pause, a cancel or a release.

import type { Proposal } from '../domain/fact.ts';
import { pause } from '../domain/pause.ts';
import type { Run } from './run.ts';

const LOOK_AGAIN_MS = 500;

/** True when the run is over; false when the wish was taken back and the work goes on. */
export async function settleDown(run: Run, isDrained: boolean, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted && !run.lease.isLost) {
    if (isDrained) run.progress.conclude();
    const fact = ending(run, isDrained);
    if (!fact) return false;
    // A wish that was taken back meanwhile and made again: delivery went on in between, and what is in flight now would
    // be sent once more by the next owner although its answer comes.
    const isReady = (): boolean => run.progress.cut.isStill;
    if (!isReady()) return false;
    const answer = await run.gate.proposeUntilAnswered(fact, signal, { isReady });
    if (answer === 'committed') return true;
    if (answer === 'fenced') {
      run.fenced('end');
      return true;
    }
    // Refused: a request changed the job meanwhile and its fact was not applied yet. Look, then decide anew.
    await run.gate.catchUp().catch(() => pause(LOOK_AGAIN_MS, signal));
  }
  return true;
}

function ending(run: Run, isDrained: boolean): Proposal | null {
  const { fence } = run.lease.key;
  const { wanted } = run.context();
  if (wanted === 'cancel') return { type: 'CANCELLED', fence };
  if (isDrained) return { type: 'DRAINED', fence, outcome: run.progress.outcome(run.context().pins ?? []) };
  if (wanted === 'pause') return { type: 'PAUSED', fence, reason: 'requested' };
  if (run.endpointPause !== null) return { type: 'PAUSED', fence, reason: run.endpointPause };
  if (run.stopping !== null) return { type: 'RELEASED', fence, why: run.stopping };
  return null;
}
