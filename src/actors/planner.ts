// Makes plans: asks the delivery log what a replay of a range would read, and pins it. The port Planner of the API.
//
//   lookup at every site ─> the one a job would begin at ─> ends of its copies, when proven ─> a few samples for bytes
//
// A plan is worth a short wait only: one deadline for all of it, and what could not be found out by then is a warning
// or null, down to the lookup of one site, without which there is no plan. Only so many are made at a time: each costs
// brokers some ten questions. Refuses to tell a client anything that a broker said: that is the log's.

import { RepriseError, messageOf } from '../domain/errors.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { SourceName } from '../domain/ids.ts';
import type { Pin } from '../domain/job.ts';
import type { DeliveryLog, Lookup } from '../domain/log.ts';
import type { PlanRange, PlanWarning, PlannedRange, Planner } from '../domain/plan.ts';
import type { Emit } from '../domain/signals.ts';
import { retentionWarnings, unpinnedWarnings } from './plan-warnings.ts';

/** What of the log a plan needs. */
export interface PlanLog extends Pick<DeliveryLog, 'sites' | 'lookup' | 'ends' | 'watermarks' | 'status'> {
  weigh(
    pins: readonly Pin[],
    ends: Readonly<Record<SourceName, number>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<SourceName, number | null>>>;
}

export interface PlannerLimits {
  /** Of a whole plan. */
  readonly deadlineMs: number;
  /** Of the answer of one site of several. */
  readonly siteMs: number;
  /** For a copy to be proven whole. */
  readonly mirrorWaitMs: number;
  /** At a time. */
  readonly most: number;
}

export const PLANNER_LIMITS: PlannerLimits = {
  deadlineMs: 5_000,
  siteMs: 3_000,
  mirrorWaitMs: 1_000,
  most: 8,
};

type NoSite = Extract<ErrorCode, 'log_unavailable' | 'log_unusable'>;
/** What became of asking one site. */
type Asked = { readonly site: string } & ({ readonly found: Lookup } | { readonly why: NoSite });

const REFUSALS: Readonly<Record<NoSite, string>> = {
  log_unavailable: 'No site of the delivery log answered in time; plan again in a moment.',
  log_unusable:
    'The delivery log answers but cannot be used at present; /readyz and the log of the server say why.',
};

export class LogPlanner implements Planner {
  readonly #log: PlanLog;
  readonly #emit: Emit;
  readonly #limits: PlannerLimits;
  #running = 0;

  constructor(log: PlanLog, emit: Emit, limits: PlannerLimits = PLANNER_LIMITS) {
    this.#log = log;
    this.#emit = emit;
    this.#limits = limits;
  }

  async plan(range: PlanRange): Promise<PlannedRange> {
    const startMs = performance.now();
    try {
      if (this.#running >= this.#limits.most) throw tooMany();
      this.#running++;
      try {
        return await this.#plan(range, AbortSignal.timeout(this.#limits.deadlineMs));
      } finally {
        this.#running--;
      }
    } catch (error) {
      const why = error instanceof RepriseError ? error.code : 'internal';
      const durationMs = performance.now() - startMs;
      this.#emit('plan.refused', { why, error: messageOf(error), durationMs });
      throw error;
    }
  }

  async #plan(range: PlanRange, signal: AbortSignal): Promise<PlannedRange> {
    const isSettled = range.nowMs >= range.settledAtMs;
    const asked = await this.#lookUp(range, isSettled, signal);
    const chosen = chooseFrom(asked, range);
    const [first] = chosen;
    if (!first) throw this.#refusal(asked);
    const gaps = chosen.flatMap((found) => found.gaps);
    const found = chosen.flatMap(({ pins }) => pins);
    const pins = isSettled ? await this.#withCopies(found, gaps, range, signal) : found;
    const ends = await this.#endsNow(pins, signal);
    const records = Object.fromEntries(
      pins.map(({ source, start, end }) => [source, Math.max(0, (end ?? ends[source] ?? start) - start)]),
    );
    return {
      site: chosen.map(({ site }) => site).join('+'),
      partition: first.partition,
      pins,
      gaps,
      records,
      estimatedBytes: await this.#bytes(pins, ends, signal),
      warnings: [
        ...asked.flatMap((each) => ('why' in each ? [siteWarning(each.site)] : [])),
        ...retentionWarnings(pins, gaps),
        ...unpinnedWarnings(pins, isSettled, range.settledAtMs),
      ],
    };
  }

  /** Sites that were in trouble at their last check are asked only when nobody is fine: they cost the whole wait. */
  async #lookUp(range: PlanRange, pinEnds: boolean, signal: AbortSignal): Promise<readonly Asked[]> {
    const { sites } = this.#log;
    const troubled = new Set(
      this.#log.status().flatMap(({ site, problem }) => (problem === null ? [] : [site])),
    );
    const isWorthAsking = (site: string): boolean => troubled.size === sites.length || !troubled.has(site);
    const ask = async (site: string): Promise<Asked> =>
      isWorthAsking(site) ? await this.#ask(site, range, pinEnds, signal) : { site, why: 'log_unavailable' };
    return await Promise.all(sites.map(ask));
  }

  async #ask(site: string, range: PlanRange, pinEnds: boolean, signal: AbortSignal): Promise<Asked> {
    const isOnly = this.#log.sites.length === 1;
    const limited = isOnly ? signal : AbortSignal.any([signal, AbortSignal.timeout(this.#limits.siteMs)]);
    try {
      return { site, found: await this.#log.lookup(site, range, pinEnds, limited) };
    } catch (error) {
      if (limited.aborted) return { site, why: 'log_unavailable' };
      if (error instanceof RepriseError) return { site, why: 'log_unusable' };
      throw error;
    }
  }

  /** Refused for good only when every site is: one that is silent may be fine in a moment. */
  #refusal(asked: readonly Asked[]): RepriseError {
    const isUnusable = asked.every((each) => 'why' in each && each.why === 'log_unusable');
    const code = isUnusable ? 'log_unusable' : 'log_unavailable';
    return new RepriseError(code, REFUSALS[code]);
  }

  /**
   * The ends of copies that are whole. One that cannot be proven now stays open: the run waits for the proof, and ends
   * incomplete without, as any replay does.
   */
  async #withCopies(
    pins: readonly Pin[],
    gaps: Lookup['gaps'],
    { fromMs, settledAtMs }: PlanRange,
    signal: AbortSignal,
  ): Promise<readonly Pin[]> {
    const copies = pins.filter(({ copyOf }) => copyOf !== undefined);
    if (copies.length === 0) return pins;
    const hasGap = new Set(gaps.map(({ source }) => source));
    const own = pins.filter(({ source, copyOf }) => copyOf === undefined && !hasGap.has(source));
    const request = {
      fromMs,
      settledAtMs,
      mirrorWaitMs: this.#limits.mirrorWaitMs,
      readThemselves: new Set(own.map(({ source }) => source)),
      onWait: () => undefined,
    };
    const told = await unlessLate(this.#log.ends(copies, request, signal), signal);
    return pins.map((pin) => {
      const end = told?.ends[pin.source];
      const evidence = told?.evidence[pin.source];
      const isProven = evidence === undefined || evidence === 'endOffsets';
      if (pin.copyOf === undefined || end === undefined || !isProven) return pin;
      return { ...pin, end: Math.max(end, pin.start), ...(evidence && { evidence }) };
    });
  }

  /** Where the log ends now, of the sources whose end is open. */
  async #endsNow(pins: readonly Pin[], signal: AbortSignal): Promise<Readonly<Record<SourceName, number>>> {
    const open = pins.filter(({ end }) => end === null);
    const ends = await unlessLate(this.#log.watermarks(open, signal), signal);
    if (!ends) throw new RepriseError('log_unavailable', REFUSALS.log_unavailable);
    return ends;
  }

  async #bytes(
    pins: readonly Pin[],
    ends: Readonly<Record<SourceName, number>>,
    signal: AbortSignal,
  ): Promise<number | null> {
    const weights = Object.values((await unlessLate(this.#log.weigh(pins, ends, signal), signal)) ?? {});
    const known = weights.filter((weight) => weight !== null);
    return known.length < pins.length ? null : known.reduce((sum, weight) => sum + weight, 0);
  }
}

/** As a job would choose (offset-lookup.ts): the first that holds the range from its start, else the first. */
function chooseFrom(asked: readonly Asked[], { readMode }: PlanRange): readonly Lookup[] {
  const found = asked.flatMap((each) => ('found' in each ? [each.found] : []));
  if (readMode === 'union') return found;
  const whole = found.find(({ gaps }) => gaps.length === 0) ?? found[0];
  return whole ? [whole] : [];
}

const siteWarning = (site: string): PlanWarning => ({
  code: 'site_unreachable',
  site,
  detail: `Site ${site} cannot be read at present: it was not looked at, and a run could not go on there.`,
});

/** null when the deadline came first, or a site refuses. */
async function unlessLate<T>(answer: Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (signal.aborted || error instanceof RepriseError) return null;
    throw error;
  }
}

function tooMany(): RepriseError {
  return new RepriseError(
    'too_many_requests',
    'This instance is making as many plans as it may at a time; plan again in a moment.',
  );
}
