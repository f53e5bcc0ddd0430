// The law of a replay's history, written down a second time, from the design and not from the product: which fact
// may follow in which state, and what each changes of what REST shows. The product's machine is not imported, so
// a mistake in it does not acquit itself.

import type { TransitionRow } from './evidence.ts';

const LEASED = ['STARTED', 'ONGOING'];
const LIVE = ['OPEN', 'STARTED', 'ONGOING', 'PAUSED'];
export const isLeased = (state: string): boolean => LEASED.includes(state);
export const isTerminal = (state: string): boolean => ['COMPLETED', 'CANCELLED', 'FAILED'].includes(state);

/** `to` '=' leaves the state. */
interface Edge {
  readonly from: readonly (string | null)[];
  readonly to: string;
}

const EDGES: Readonly<Record<string, Edge>> = {
  REQUESTED: { from: [null], to: 'OPEN' },
  CLAIMED: { from: ['OPEN'], to: 'STARTED' },
  RECLAIMED: { from: LEASED, to: 'STARTED' },
  OFFSETS_RESOLVED: { from: ['STARTED'], to: 'ONGOING' },
  CONTINUED: { from: ['STARTED'], to: 'ONGOING' },
  NOTHING_TO_REPLAY: { from: ['STARTED'], to: 'COMPLETED' },
  ENDS_PINNED: { from: ['ONGOING'], to: '=' },
  SITE_SWITCHED: { from: LEASED, to: '=' },
  DRAINED: { from: ['ONGOING'], to: 'COMPLETED' },
  RELEASED: { from: LEASED, to: 'OPEN' },
  FAILED: { from: LEASED, to: 'FAILED' },
  PAUSE_REQUESTED: { from: ['OPEN', ...LEASED], to: '=' },
  RESUME_REQUESTED: { from: [...LEASED, 'PAUSED'], to: '=' },
  CANCEL_REQUESTED: { from: LIVE, to: '=' },
  LIMITS_CHANGED: { from: LIVE, to: '=' },
  PAUSED: { from: ['OPEN', ...LEASED], to: 'PAUSED' },
  RESUMED: { from: ['PAUSED'], to: 'OPEN' },
  CANCELLED: { from: LIVE, to: 'CANCELLED' },
};
/** Facts that only the holder of the lease may tell: they name its fence. */
const FENCED = [
  'OFFSETS_RESOLVED',
  'CONTINUED',
  'NOTHING_TO_REPLAY',
  'ENDS_PINNED',
  'SITE_SWITCHED',
  'DRAINED',
  'RELEASED',
  'FAILED',
  'PAUSED',
  'CANCELLED',
];
const CLAIMS = ['CLAIMED', 'RECLAIMED'];
export const isClaim = ({ type }: TransitionRow): boolean => CLAIMS.includes(type);

/** What is wrong with a step; `before` null = it is the first. */
export function stepFault(before: TransitionRow | null, step: TransitionRow): string | null {
  const { seq, type, from, to, fence, atMs, body } = step;
  const edge = EDGES[type];
  if (!edge) return `${type} is no known fact`;
  if (seq !== (before?.seq ?? 0) + 1 || body['seq'] !== seq)
    return `seq ${seq} after ${before?.seq ?? 'nothing'}`;
  if (body['type'] !== type) return `the body of ${type} tells ${String(body['type'])}`;
  if (from !== (before?.to ?? null)) return `begins in ${String(from)} after ${before?.to ?? 'nothing'}`;
  if (!edge.from.includes(from)) return `${type} in ${String(from)}`;
  if (to !== (edge.to === '=' ? from : edge.to)) return `${type} leads from ${String(from)} to ${to}`;
  if (before && atMs < before.atMs) return `its time lies ${before.atMs - atMs} ms before the step before it`;
  return fenceFault(before?.fence ?? 0, step, fence);
}

function fenceFault(before: number, { type, body }: TransitionRow, fence: number): string | null {
  const due = CLAIMS.includes(type) ? before + 1 : before;
  if (fence !== due) return `${type} has fence ${fence} after ${before}`;
  const named = CLAIMS.includes(type) || FENCED.includes(type);
  return named && body['fence'] !== fence
    ? `${type} names fence ${String(body['fence'])} under ${fence}`
    : null;
}

/** What REST must show of a replay with this history. */
export type Folded = Readonly<Record<string, unknown>>;

export function fold(steps: readonly TransitionRow[]): Folded {
  const shown: Record<string, unknown> = {
    state: null,
    outcome: null,
    owner: null,
    wanted: null,
    site: null,
    partition: null,
    pins: [],
    pauseReason: null,
    failReason: null,
    reclaims: 0,
    duplicateBound: 0,
  };
  let maxRepeat = 0;
  for (const { type, to, fence, seq, body } of steps) {
    Object.assign(shown, { state: to, version: seq, fence });
    if (!isLeased(to)) shown['owner'] = null;
    if (type === 'RECLAIMED') {
      shown['reclaims'] = Number(shown['reclaims']) + 1;
      shown['duplicateBound'] = Number(shown['duplicateBound']) + maxRepeat;
    }
    if (CLAIMS.includes(type)) {
      shown['owner'] = body['owner'];
      maxRepeat = Number(body['maxRepeat']);
    }
    Object.assign(shown, changesOf(type, body, shown));
    if (isTerminal(to)) Object.assign(shown, { wanted: null, counts: body['counts'] });
  }
  return shown;
}

function changesOf(type: string, body: TransitionRow['body'], shown: Folded): Folded {
  if (type === 'REQUESTED') return { limits: (body['spec'] as { limits: unknown }).limits };
  if (type === 'LIMITS_CHANGED') return { limits: body['limits'] };
  if (type === 'OFFSETS_RESOLVED' || type === 'NOTHING_TO_REPLAY') {
    const { site, partition } = body;
    const outcome = type === 'NOTHING_TO_REPLAY' ? { outcome: 'complete' } : {};
    return { site, partition, pins: pinsOf(body['pins']), ...outcome };
  }
  if (type === 'ENDS_PINNED') {
    const ends = body['ends'] as Record<string, number>;
    const pins = shown['pins'] as readonly { readonly source: string; readonly end: string | null }[];
    // A site that was left may keep sources without an end.
    const endOf = ({ source, end }: (typeof pins)[number]): string | null =>
      source in ends ? String(ends[source]) : end;
    return { pins: pins.map((pin) => ({ ...pin, end: endOf(pin) })) };
  }
  if (type === 'SITE_SWITCHED') {
    const bound = Number(shown['duplicateBound']) + Number(body['boundAdded']);
    return { site: body['site'], pins: pinsOf(body['pins']), duplicateBound: bound };
  }
  if (type === 'DRAINED') return { outcome: body['outcome'] };
  if (type === 'FAILED') return { failReason: body['reason'] };
  if (type === 'PAUSE_REQUESTED') return { wanted: 'pause' };
  if (type === 'CANCEL_REQUESTED') return { wanted: 'cancel' };
  if (type === 'RESUME_REQUESTED') return shown['wanted'] === 'pause' ? { wanted: null } : {};
  if (type === 'PAUSED') return { pauseReason: body['reason'], wanted: null };
  if (type === 'RESUMED' || type === 'CANCELLED') return { pauseReason: null };
  return {};
}

/** What REST shows of a pin at least. */
export function pinsOf(pins: unknown): unknown {
  return (
    pins as { source: string; topic: string; partition: number; start: number; end: number | null }[]
  ).map(({ source, topic, partition, start, end }) => ({
    source,
    topic,
    partition,
    start: String(start),
    end: end === null ? null : String(end),
  }));
}
