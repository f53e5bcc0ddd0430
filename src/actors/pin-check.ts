// Whether the log under pins of earlier is still the one that was pinned: asked before a job goes on from them, and
// before it begins with those of its plan. A site that does not answer is waited for as long as another one could not
// be read instead.

import { RepriseError } from '../domain/errors.ts';
import { siteOf } from '../domain/ids.ts';
import type { Pin, SwitchReason } from '../domain/job.ts';
import { isReplaced } from './failover.ts';
import type { Run } from './run.ts';

export interface Trouble {
  readonly site: string;
  readonly why: SwitchReason;
  readonly detail: string;
}

/** What is left of the time that a site may be down, as far as its last check knows. */
export function limitOf(run: Run, site: string): number {
  const { siteDownMs } = run.edges.settings;
  const status = run.edges.log.status().find((known) => known.site === site);
  if (!status || status.problem === null) return siteDownMs;
  return Math.max(1, siteDownMs - (run.edges.clock.wallMs() - status.sinceMs));
}

/** The first trouble among the sites of the pins; null: each log is what it was. */
export async function troubleUnder(
  run: Run,
  pins: readonly Pin[],
  signal: AbortSignal,
): Promise<Trouble | null> {
  const sites = [...new Set(pins.map(({ source }) => siteOf(source)))];
  const checks = await Promise.all(sites.map((site) => troubleAt(run, site, pins, signal)));
  return checks.find((check) => check !== null) ?? null;
}

async function troubleAt(
  run: Run,
  site: string,
  pins: readonly Pin[],
  signal: AbortSignal,
): Promise<Trouble | null> {
  const own = pins.filter(({ source }) => siteOf(source) === site);
  const limitMs = run.failover.hasOthers ? limitOf(run, site) : Infinity;
  const limited = limitMs === Infinity ? signal : AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    const found = await run.edges.log.marks(own, limited);
    const replaced = own.find((pin) => isReplaced(pin, found[pin.source] ?? null));
    if (!replaced) return null;
    const detail = `${replaced.source} holds another batch at offset ${replaced.start} than when the job was pinned`;
    return { site, why: 'replaced', detail };
  } catch (error) {
    if (signal.aborted || limitMs === Infinity) throw error;
    const why = error instanceof RepriseError ? 'unusable' : 'unreachable';
    const reason = error instanceof RepriseError ? error.detail : 'does not answer';
    return { site, why, detail: `site ${site}, which the job needs, cannot be read: ${reason}` };
  }
}
