// Child of STARTED: pins the job's range at the first site that can be read, or takes up the pins of its plan
// (planned-pins.ts) or of an earlier owner after proving that the log under them is still the same. Ends with one fact
// that leaves STARTED, and then stands still: the next state has others. A site that an earlier owner's pins need and that does not answer is left for
// another one (see failover.ts and site-ledger.ts); where there is no other, the job waits and says why.

import { RepriseError } from '../domain/errors.ts';
import { siteOf } from '../domain/ids.ts';
import type { Pin } from '../domain/job.ts';
import type { Lookup } from '../domain/log.ts';
import { pause } from '../domain/pause.ts';
import { databaseNow } from './database-now.ts';
import { latestEndMs, lookupWithin, usableSites } from './failover.ts';
import { limitOf, troubleUnder } from './pin-check.ts';
import type { Trouble } from './pin-check.ts';
import { beginWithPlan, isOver } from './planned-pins.ts';
import type { Run } from './run.ts';
import { switchByLedger } from './site-ledger.ts';

/** Between questions that only an operator can let be answered. */
export const UNUSABLE_RETRY_MS = 2_000;

export async function offsetLookup(run: Run, signal: AbortSignal): Promise<void> {
  run.declareWait('offsetLookup', 'looking up offsets');
  while (!signal.aborted) {
    try {
      const { pins } = run.context();
      const isDone = await (pins ? continueFrom(run, pins, signal) : resolve(run, signal));
      if (isDone) break;
      run.declareWait('offsetLookup', run.lastRefusal ?? 'no site of the delivery log can be read');
    } catch (error) {
      // A topic that must not be read as it is now: an operator can mend it, so the job waits and says why.
      if (!(error instanceof RepriseError)) throw error;
      run.declareWait('offsetLookup', error.detail);
    }
    await pause(UNUSABLE_RETRY_MS, signal);
  }
  run.declareWait('offsetLookup', null);
}

async function resolve(run: Run, signal: AbortSignal): Promise<boolean> {
  const { settings } = run.edges;
  const { spec } = run.job;
  const fence = run.lease.key.fence;
  const settledAtMs = spec.toMs + settings.settleMs;
  // The claim tells a time that the database's clock has passed; only a range that it does not settle has to ask.
  const claimedAtMs = run.context().lastFact?.atMs ?? 0;
  const pinEnds = claimedAtMs >= settledAtMs || (await databaseNow(run, signal)) >= settledAtMs;
  const { sites } = run.edges.log;
  const lookAt = (some: readonly string[]) => lookup(run, some, pinEnds, signal);
  const elsewhere = (without: string) => lookAt(sites.filter((site) => site !== without));
  const begun = spec.plan
    ? await beginWithPlan(run, spec.plan, elsewhere, signal)
    : { found: await lookAt(sites), isOver: false };
  if (signal.aborted) return true;
  const { found } = begun;
  if (found === null) return begun.isOver;
  if (found.length === 0) return false;
  const pins = found.flatMap((lookedUp) => lookedUp.pins);
  const gaps = found.flatMap((lookedUp) => lookedUp.gaps);
  const site = found.map((lookedUp) => lookedUp.site).join('+');
  const partition = found[0]?.partition ?? 0;
  const nothing = gaps.length === 0 && pins.every((pin) => pin.end !== null && pin.end <= pin.start);
  if (nothing) {
    await run.gate.proposeUntilAnswered({ type: 'NOTHING_TO_REPLAY', fence, site, partition, pins }, signal);
    return true;
  }
  // Begun here, so that the fact's own transaction holds the gaps: a crash right after it must not forget them.
  for (const { source, start } of pins) {
    if (!run.progress.cut.has(source)) run.progress.cut.begin(source, start);
  }
  for (const gap of gaps) run.progress.gap(gap);
  const waitingUntilMs = await latestEndMs(run, pins, signal);
  await run.gate.proposeUntilAnswered(
    { type: 'OFFSETS_RESOLVED', fence, site, partition, pins, waitingUntilMs },
    signal,
  );
  return true;
}

/**
 * One site: the first in order that answers and holds the range from its start, else the first that answers. Every
 * site that answers in union mode. A deployment of one site waits for it as long as it takes.
 */
async function lookup(
  run: Run,
  sites: readonly string[],
  pinEnds: boolean,
  signal: AbortSignal,
): Promise<readonly Lookup[]> {
  const [only] = sites;
  if (run.edges.log.sites.length === 1 && only !== undefined) {
    return [await run.edges.log.lookup(only, run.job.spec, pinEnds, signal)];
  }
  const ask = (site: string) => lookupWithin(run, site, limitOf(run, site), signal, pinEnds);
  if (run.job.spec.readMode === 'union') {
    return (await Promise.all(sites.map(ask))).filter((found) => found !== null);
  }
  let first: Lookup | null = null;
  for (const site of sites) {
    const found = await ask(site);
    if (found?.gaps.length === 0) return [found];
    first ??= found;
  }
  return first ? [first] : [];
}

async function continueFrom(run: Run, pins: readonly Pin[], signal: AbortSignal): Promise<boolean> {
  const fence = run.lease.key.fence;
  const trouble = await troubleUnder(run, pins, signal);
  if (signal.aborted) return true;
  if (!trouble) {
    await run.gate.proposeUntilAnswered({ type: 'CONTINUED', fence }, signal);
    return true;
  }
  if (run.failover.hasOthers) {
    const answer = await goElsewhere(run, pins, trouble, signal);
    if (answer === 'committed') {
      await run.gate.proposeUntilAnswered({ type: 'CONTINUED', fence }, signal);
      return true;
    }
    if (answer !== null || signal.aborted) return true;
  }
  return await isOver(run, trouble, signal);
}

/** The present site when it is not the one in trouble, else the others in order; null = none of them. */
async function goElsewhere(run: Run, pins: readonly Pin[], { site, why }: Trouble, signal: AbortSignal) {
  const present = pins.filter(({ isLeft }) => !isLeft).map(({ source }) => siteOf(source));
  const rank = (other: string): number => (present.includes(other) ? 0 : 1);
  const others = usableSites(run)
    .filter((other) => other !== site)
    .toSorted((a, b) => rank(a) - rank(b));
  for (const other of others) {
    const answer = await switchByLedger(run, other, { from: site, why }, signal);
    if (answer !== null) return answer;
  }
  return null;
}
