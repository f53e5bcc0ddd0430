// Whether what a job has read was the whole log. One site is enough, when nothing of it could not be read and each
// copy on it is proven; or the own topics of all sites, which hold every event once. Pure.

import { logSourceOf, siteOf } from './ids.ts';
import type { SourceName } from './ids.ts';
import { EVIDENCE } from './job.ts';
import type { Evidence, Gap, Pin } from './job.ts';

/** What is read to its end, or was. */
const present = (pins: readonly Pin[]): readonly Pin[] =>
  pins.filter(({ isLeft, isRead }) => !isLeft || isRead);

const isProven = ({ copyOf, evidence }: Pin): boolean => copyOf === undefined || evidence === 'endOffsets';

/** The sites that were read whole. */
function wholeSites(pins: readonly Pin[], gaps: readonly Gap[]): readonly string[] {
  const read = present(pins);
  const sites = new Set(read.map(({ source }) => siteOf(source)));
  const isWhole = (site: string): boolean =>
    read.every((pin) => siteOf(pin.source) !== site || isProven(pin)) &&
    gaps.every(({ source }) => siteOf(source) !== site);
  return [...sites].filter(isWhole);
}

/** Every copy stands beside what it was copied from: it need not be whole. */
function ownTopicsOf(pins: readonly Pin[]): ReadonlySet<SourceName> | null {
  const read = present(pins);
  const own = new Set(read.filter(({ copyOf }) => !copyOf).map(({ source }) => logSourceOf(source)));
  return read.every(({ copyOf }) => copyOf === undefined || own.has(copyOf)) ? own : null;
}

/** What `readWhole` says of the own topics of all sites together; no site has this name. */
export const EVERY_SITE = '*';

/** The site, or all of them, that the whole log was read from; null = something may be missing. */
export function readWhole(pins: readonly Pin[], gaps: readonly Gap[]): string | null {
  const [site] = wholeSites(pins, gaps);
  if (site !== undefined) return site;
  const own = ownTopicsOf(pins);
  return own && !gaps.some(({ source }) => own.has(source)) ? EVERY_SITE : null;
}

/** What the pins alone can tell: a job that has this not must not end complete. */
export const mayBeWhole = (pins: readonly Pin[]): boolean => readWhole(pins, []) !== null;

/**
 * The weakest evidence of the copies that are read now, of those that needed one; null when none did, or as long as an
 * end is not pinned.
 */
export function weakestEvidence(pins: readonly Pin[]): Evidence | null {
  const read = pins.filter(({ isLeft }) => !isLeft);
  if (read.some(({ end }) => end === null)) return null;
  const shown = new Set(read.map(({ evidence }) => evidence));
  return EVIDENCE.findLast((evidence) => shown.has(evidence)) ?? null;
}
