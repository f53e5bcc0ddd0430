// The pins of a job's plan, instead of a lookup by time: taken up when the log under them is still the one that was
// planned. When it is not, or a site of the plan cannot be read, the job begins at another site as any job would, with
// the whole range pinned anew there; where there is no other, a replaced log ends it and an absent one is waited for.

import type { PlannedPins } from '../domain/job.ts';
import type { Lookup } from '../domain/log.ts';
import { troubleUnder } from './pin-check.ts';
import type { Trouble } from './pin-check.ts';
import type { Run } from './run.ts';

export type Found = Pick<Lookup, 'site' | 'partition' | 'pins' | 'gaps'>;

export type Beginning =
  | { readonly found: readonly Found[] }
  /** None: the job was failed here, or waits. */
  | { readonly found: null; readonly isOver: boolean };

/** `elsewhere`: the lookup at all sites but the named one. */
export async function beginWithPlan(
  run: Run,
  plan: PlannedPins,
  elsewhere: (without: string) => Promise<readonly Found[]>,
  signal: AbortSignal,
): Promise<Beginning> {
  const trouble = await troubleUnder(run, plan.pins, signal);
  if (signal.aborted) return { found: null, isOver: true };
  if (!trouble) return { found: [plan] };
  if (run.failover.hasOthers) {
    const found = await elsewhere(trouble.site);
    if (signal.aborted) return { found: null, isOver: true };
    if (found.length > 0) return { found };
  }
  return { found: null, isOver: await isOver(run, trouble, signal) };
}

/** Whether the job has ended; as long as it has not, the trouble is what it waits for. */
export async function isOver(run: Run, { why, detail }: Trouble, signal: AbortSignal): Promise<boolean> {
  run.lastRefusal = detail;
  if (why !== 'replaced') return false;
  const fence = run.lease.key.fence;
  await run.gate.proposeUntilAnswered({ type: 'FAILED', fence, reason: 'log_replaced', why: detail }, signal);
  return true;
}
