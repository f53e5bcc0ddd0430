// Child of STARTED and ONGOING: keeps the lease alive for as long as the work is alive. The heartbeat carries
// the progress mark; an owner that neither settles, nor reads, nor has declared a wait stops beating, so that
// another instance takes the job over: a heartbeat that hides a wedged owner would be worse than none.
// The lease's end is watched beside the beats: one that hangs in the database must not hide it.

import { Lease } from './lease.ts';
import { pause } from '../domain/pause.ts';
import type { Run } from './run.ts';

/** How long an owner may show no progress and no declared wait: this many leases. */
const WEDGED_LEASES = 3;
const RETRY_MS = 500;
/** A claim is a beat itself; a job that ends sooner (10,000 of 5 events: p50 73 ms) needs none of its own. */
const FIRST_MS = 1_000;

export async function heartbeat(run: Run, signal: AbortSignal): Promise<void> {
  await Promise.all([keepBeating(run, signal), watchLease(run, signal)]);
}

async function keepBeating(run: Run, signal: AbortSignal): Promise<void> {
  const { settings, clock } = run.edges;
  let mark = run.progress.mark;
  let movedAtMs = clock.monoMs();
  await pause(Math.max(0, Math.min(FIRST_MS, settings.heartbeatIntervalMs) - run.lease.ageMs), signal);
  while (!signal.aborted && !run.lease.isLost) {
    if (mark !== run.progress.mark || isWaiting(run)) movedAtMs = clock.monoMs();
    mark = run.progress.mark;
    const isWedged = clock.monoMs() - movedAtMs > settings.leaseMs * WEDGED_LEASES;
    const isBeaten = !isWedged && (await beat(run, signal));
    tellLease(run);
    await pause(
      isBeaten ? settings.heartbeatIntervalMs : Math.min(RETRY_MS, settings.heartbeatIntervalMs),
      signal,
    );
  }
}

/** A slow receiver is not a wedge either: requests in flight end by their own deadline. */
function isWaiting(run: Run): boolean {
  return (
    run.waits.size > 0 || run.phase === 'throttled' || run.gauges.inFlight > 0 || run.gauges.retrying > 0
  );
}

/** True when the lease was extended. */
async function beat(run: Run, signal: AbortSignal): Promise<boolean> {
  const { store, settings, clock } = run.edges;
  const sentAt = Lease.moment(clock);
  try {
    const answer = await store.heartbeat(run.lease.key, settings.leaseMs, run.progress.mark, run.detail());
    if (answer === 'held') {
      run.lease.extended(sentAt);
      return true;
    }
    // Perhaps the job just ended by its own fact: look before calling it a loss.
    await run.gate.catchUp();
    if (!signal.aborted) run.fenced('heartbeat');
    return false;
  } catch {
    // The database is away and the store has said so; the lease itself decides how long we may go on.
    return false;
  }
}

/** Tells in time that the lease becomes doubtful, and that it ended: requests in flight end with it. */
async function watchLease(run: Run, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !run.lease.isLost) {
    tellLease(run);
    await pause(run.lease.nextChangeMs ?? run.edges.settings.heartbeatIntervalMs, signal);
  }
}

function tellLease(run: Run): void {
  if (run.lease.isLost) return;
  const { jobId } = run.lease.key;
  if (run.lease.isDoubtful) {
    if (!run.isDoubtful) run.edges.emit('lease.doubtful', { jobId, remainingMs: run.lease.remainingMs });
    run.isDoubtful = true;
    run.tell({ type: 'local.leaseDoubtful' });
  } else if (run.isDoubtful) {
    run.isDoubtful = false;
    run.tell({ type: 'local.leaseHeld' });
  }
  run.wake();
}
