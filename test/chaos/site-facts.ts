// What a history tells of the sites that a replay read.

import type { TransitionRow } from './evidence.ts';

/** A pin as facts have it. */
export interface PinFact {
  readonly source: string;
  readonly partition: number;
  readonly start: number;
  readonly end: number | null;
  readonly isLeft?: boolean;
  readonly isRead?: boolean;
  /** What the ledger proved: minutes [from, to) below an offset. */
  readonly done?: { readonly below: number; readonly minutes: readonly (readonly [number, number])[] };
}

/** The last pins with their ends. */
export function pinsAtEnd(steps: readonly TransitionRow[]): readonly PinFact[] {
  let pins: readonly PinFact[] = [];
  for (const { body } of steps) {
    if (body['pins'] !== undefined) pins = body['pins'] as readonly PinFact[];
    const ends = body['ends'] as Readonly<Record<string, number>> | undefined;
    if (ends) pins = pins.map((pin) => ({ ...pin, end: ends[pin.source] ?? pin.end }));
  }
  return pins;
}

/** A site that a job went over to. */
export interface SiteSwitch {
  readonly by: 'memory' | 'ledger';
  readonly why: string;
  /** Events sent again. */
  readonly resent: number;
  /** Events that the ledger proved to be settled. */
  readonly kept: number;
  readonly fence: number;
  readonly atMs: number;
  readonly minutes: readonly (readonly [number, number])[];
}

export function switchesOf(steps: readonly TransitionRow[]): readonly SiteSwitch[] {
  return steps.flatMap(({ type, body, fence, atMs }): SiteSwitch[] => {
    if (type !== 'SITE_SWITCHED') return [];
    const pins = body['pins'] as readonly PinFact[];
    const by = body['by'] as SiteSwitch['by'];
    const counts = body['counts'] as Readonly<Record<string, number>>;
    const { delivered = 0, deadLettered = 0 } = counts;
    return [
      {
        by,
        why: String(body['why']),
        resent: Number(body['boundAdded']),
        kept: by === 'ledger' ? delivered + deadLettered : 0,
        fence,
        atMs,
        minutes: pins.find(({ done }) => done)?.done?.minutes ?? [],
      },
    ];
  });
}

/** Which sites it read at a time, and who owned it; null = nobody did. */
export function readingAt(
  steps: readonly TransitionRow[],
  atMs: number,
): { readonly sites: readonly string[]; readonly owner: string } | null {
  let [sites, owner]: [readonly string[], string | null] = [[], null];
  for (const { type, to, body, atMs: stepMs } of steps) {
    if (stepMs > atMs) break;
    if (body['pins'] !== undefined && typeof body['site'] === 'string') sites = body['site'].split('+');
    if (type === 'CLAIMED' || type === 'RECLAIMED') owner = String(body['owner']);
    if (to !== 'STARTED' && to !== 'ONGOING') owner = null;
  }
  return owner === null ? null : { sites, owner };
}
