// When a job's site fails, the job goes on with another one: SITE_SWITCHED by memory. The other site is pinned anew
// over the whole range, and the dedupe memory, which lives as long as this owner, drops what was judged already.
//
//   broker does not answer for longer than the limit | topic unusable or replaced | read to the end, with gaps
//      └─> the next site in order that answers ─> pins ─> SITE_SWITCHED ─> a new reading
//
// The cut keeps what it knows of the site that was left: a later owner needs it to fill its memory, or takes the way
// of the ledger (site-ledger.ts). So does this one when the site fails while the memory is being filled: it releases
// the job. Only jobs of a range or a plan switch: what a job takes up of another one is known at one site alone. A plan
// pins its own sites; elsewhere its whole range is pinned anew.

import { messageOf } from '../domain/errors.ts';
import { siteOf } from '../domain/ids.ts';
import type { SourceName } from '../domain/ids.ts';
import type { JobSpec, Pin, SwitchReason } from '../domain/job.ts';
import type { Lookup, ReadWait } from '../domain/log.ts';
import { pause } from '../domain/pause.ts';
import { databaseNow } from './database-now.ts';
import type { Run, SiteFailover } from './run.ts';

const SWITCHES: readonly JobSpec['kind'][] = ['range', 'plan'];
/** At the last checks of all sites. */
const LOOK_MS = 1_000;
const LOOK_AGAIN_MS = 2_000;
/** Of a site that was fine at its last check. */
const LOOKUP_LIMIT_MS = 5_000;

export class Failover implements SiteFailover {
  readonly #run: Run;
  /** Source -> the timer of its wait. */
  readonly #waiting = new Map<SourceName, NodeJS.Timeout>();
  #moving: Promise<boolean> | null = null;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Whether the job could go anywhere at all. */
  get hasOthers(): boolean {
    const { log } = this.#run.edges;
    return log.sites.length > 1 && SWITCHES.includes(this.#run.job.spec.kind);
  }

  /** What a stream waits for: a broker that does not answer is left when the limit is over. */
  waits(source: SourceName, wait: ReadWait | null): void {
    if (wait?.why !== 'broker') {
      clearTimeout(this.#waiting.get(source));
      this.#waiting.delete(source);
      return;
    }
    if (this.#waiting.has(source) || !this.hasOthers) return;
    const { siteDownMs } = this.#run.edges.settings;
    this.#wake(source, Math.max(0, siteDownMs - (this.#run.edges.clock.wallMs() - wait.sinceMs)));
  }

  #wake(source: SourceName, ms: number): void {
    const { signal } = this.#run.reading;
    const timer = setTimeout(() => {
      this.leave(siteOf(source), 'unreachable', signal)
        .then((left) => {
          // Nobody else answers either: as long as it waits, somebody may.
          if (!left && this.#waiting.get(source) === timer) this.#wake(source, LOOK_AGAIN_MS);
        })
        .catch(this.#run.crash);
    }, ms);
    this.#waiting.set(source, timer);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      if (this.#waiting.get(source) === timer) this.#waiting.delete(source);
    });
  }

  /**
   * Leaves a site whose checks have failed for longer than the limit: what waits for it may be no stream (an end to be
   * pinned, a copy to be proven). Until `signal` aborts.
   */
  async watch(signal: AbortSignal): Promise<void> {
    const { log, settings, clock } = this.#run.edges;
    while (this.hasOthers && !signal.aborted) {
      await pause(Math.min(LOOK_MS, settings.siteDownMs), signal);
      const isRead = (site: string): boolean => {
        return this.#run.reading.sources.some(({ pin }) => siteOf(pin.source) === site);
      };
      for (const { site, problem, sinceMs } of log.status()) {
        const isOver = problem !== null && clock.wallMs() - sinceMs >= settings.siteDownMs;
        if (isOver && isRead(site) && !signal.aborted) await this.leave(site, 'unreachable', signal);
      }
    }
  }

  /** True when the site is not read any more (or the job released), false when there is no other. */
  leave(site: string, why: SwitchReason, signal: AbortSignal): Promise<boolean> {
    if (!this.hasOthers) return Promise.resolve(false);
    this.#moving ??= this.#leave(site, why, signal).finally(() => (this.#moving = null));
    return this.#moving;
  }

  /** Everything is read and something is missing: whether a site that was not read yet can be. */
  fillGaps(signal: AbortSignal): Promise<boolean> {
    const site = this.#run.context().site ?? '';
    return this.leave(site, 'gaps', signal);
  }

  async #leave(site: string, why: SwitchReason, signal: AbortSignal): Promise<boolean> {
    const run = this.#run;
    if (!run.isRemembered) {
      if (usableSites(run).every((other) => other === site)) return false;
      run.stopping = `site ${site} cannot be read and the dedupe memory is not whole yet`;
      run.wake();
      return true;
    }
    const pins = run.context().pins ?? [];
    const stays = why === 'gaps' ? [] : pins.filter((pin) => !pin.isLeft && siteOf(pin.source) !== site);
    // In union mode the others are being read already.
    const next =
      stays.length > 0 ? { pins: stays, gaps: [] } : await this.#findOther(site, why, pins, signal);
    if (!next || signal.aborted) return signal.aborted;
    const sites = new Set(next.pins.map(({ source }) => siteOf(source)));
    const left = pins.filter((pin) => !sites.has(siteOf(pin.source))).map((pin) => this.#leftPin(pin));
    const read = unproven(next.pins, run.progress.readThemselves([...left, ...next.pins]));
    const waitingUntilMs = await latestEndMs(run, read, signal);
    const { counts, cut } = run.progress;
    counts.siteSwitches++;
    cut.touch();
    for (const gap of next.gaps) run.progress.gap(gap);
    const { reading } = run;
    const answer = await run.gate.proposeUntilAnswered(
      {
        type: 'SITE_SWITCHED',
        fence: run.lease.key.fence,
        site: [...sites].join('+'),
        from: site,
        why,
        pins: [...left, ...read],
        waitingUntilMs,
        by: 'memory',
        boundAdded: 0,
      },
      signal,
    );
    // An answer that was lost: the fact was found, and moved the reading.
    if (answer === 'committed' || run.reading !== reading) return true;
    counts.siteSwitches--;
    return false;
  }

  #leftPin(pin: Pin): Pin {
    const isRead = pin.end !== null && this.#run.progress.cut.nextOf(pin.source) >= pin.end;
    return { ...pin, isLeft: true, ...(isRead && { isRead }) };
  }

  async #findOther(
    site: string,
    why: SwitchReason,
    pins: readonly Pin[],
    signal: AbortSignal,
  ): Promise<Pick<Lookup, 'pins' | 'gaps'> | null> {
    const known = new Set(pins.map(({ source }) => siteOf(source)));
    for (const other of usableSites(this.#run)) {
      if (other === site || (why === 'gaps' && known.has(other))) continue;
      const found = known.has(other)
        ? await this.#returnTo(other, pins, signal)
        : await lookupWithin(this.#run, other, LOOKUP_LIMIT_MS, signal);
      if (found) return found;
      if (signal.aborted) return null;
    }
    return null;
  }

  /** To a site that was left: it goes on where it stood, when its log is still the same. */
  async #returnTo(site: string, pins: readonly Pin[], signal: AbortSignal) {
    const own = pins.filter(({ source }) => siteOf(source) === site);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_LIMIT_MS)]);
    const marks = await this.#run.edges.log.marks(own, limited).catch(() => null);
    if (!marks || own.some((pin) => isReplaced(pin, marks[pin.source] ?? null))) return null;
    return { pins: own.map(({ isLeft: _left, isRead: _read, ...pin }): Pin => pin), gaps: [] };
  }
}

/** A copy that needed no proof, because its upstream was read too, needs one when that was left: its end is open again. */
function unproven(pins: readonly Pin[], themselves: ReadonlySet<SourceName>): readonly Pin[] {
  return pins.map((pin) => {
    const needsProof = pin.copyOf !== undefined && !pin.evidence && !themselves.has(pin.copyOf);
    return needsProof ? { ...pin, end: null } : pin;
  });
}

/** In the order of preference, those that were fine at their last check. */
export function usableSites({ edges: { log } }: Run): readonly string[] {
  const troubled = new Set(log.status().flatMap(({ site, problem }) => (problem === null ? [] : [site])));
  return log.sites.filter((site) => !troubled.has(site));
}

/** null when the site cannot tell in time, or must not be read. */
export async function lookupWithin(
  run: Run,
  site: string,
  limitMs: number,
  signal: AbortSignal,
  pinEnds = false,
): Promise<Lookup | null> {
  const { key, fromMs, toMs, identity, scan } = run.job.spec;
  const limited = limitMs === Infinity ? signal : AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    return await run.edges.log.lookup(site, { key, fromMs, toMs, identity, scan }, pinEnds, limited);
  } catch (error) {
    if (signal.aborted) throw error;
    run.lastRefusal = `site ${site}: ${messageOf(error)}`;
    return null;
  }
}

/** When the ends will be pinned at the latest; null when there is nothing to wait for. */
export async function latestEndMs(
  run: Run,
  pins: readonly Pin[],
  signal: AbortSignal,
): Promise<number | null> {
  if (pins.every(({ end }) => end !== null)) return null;
  const { settleMs, mirrorWaitMs } = run.edges.settings;
  const settledAtMs = run.job.spec.toMs + settleMs;
  const nowMs = await databaseNow(run, signal);
  const hasCopies = pins.some(({ copyOf, end }) => copyOf !== undefined && end === null);
  return hasCopies ? Math.max(settledAtMs, nowMs) + mirrorWaitMs : settledAtMs;
}

/** Another batch there, or none although the log goes on. Null = retention, which the reader names as a gap. */
export function isReplaced({ first }: Pin, found: Pin['first']): boolean {
  if (!first || !found) return false;
  return (
    found.offset !== first.offset || found.crc !== first.crc || found.maxTimestampMs !== first.maxTimestampMs
  );
}
