// The evidence in the order in which the checker looks at it: replay by replay, each with what it owed, what its
// receiver got, and its history.

import type { Evidence, TransitionRow } from './evidence.ts';
import { isClaim, isLeased } from './law.ts';
import type { LedgerEvent, LedgerRecord, LedgerWebhook } from './ledger.ts';
import type { ReplayAnswer } from './rest.ts';
import type { Post } from './target.ts';

/** One replay with all that the evidence has of it. */
export interface Case {
  readonly replay: ReplayAnswer;
  readonly webhook: LedgerWebhook;
  readonly target: number;
  /** The events of the ledger in its range, by id. */
  readonly range: ReadonlyMap<string, LedgerEvent>;
  /** Those of them that were in the log before its end was pinned: they must come. */
  readonly due: readonly LedgerEvent[];
  readonly posts: readonly Post[];
  /** How often each event was answered with 2xx. */
  readonly taken: ReadonlyMap<string, number>;
  readonly steps: readonly TransitionRow[];
}

export function casesOf(evidence: Evidence): readonly Case[] {
  const posts = Map.groupBy(evidence.posts, ({ job }) => job);
  const steps = Map.groupBy(evidence.transitions, ({ job }) => job);
  return evidence.replays.flatMap((replay) => {
    const target = evidence.ledger.webhooks.findIndex(({ id }) => id === replay.webhookId);
    const webhook = evidence.ledger.webhooks[target];
    if (!webhook) return [];
    const [fromMs, toMs] = [Date.parse(replay.from), Date.parse(replay.to)];
    const isInRange = ({ atMs }: LedgerRecord): boolean => atMs >= fromMs && atMs < toMs;
    const range = webhook.events.filter(({ records }) => records.some(isInRange));
    const history = steps.get(replay.id) ?? [];
    const pinnedMs = Math.max(history[0]?.atMs ?? 0, toMs + evidence.ledger.settleMs);
    const isDue = (record: LedgerRecord): boolean =>
      isInRange(record) && record.ackedMs !== null && record.ackedMs <= pinnedMs;
    const due = range.filter(({ records }) => records.some(isDue));
    const mine = posts.get(replay.id) ?? [];
    const taken = new Map<string, number>();
    for (const { event, status } of mine) if (isTaken(status)) taken.set(event, (taken.get(event) ?? 0) + 1);
    return [
      {
        replay,
        webhook,
        target,
        range: new Map(range.map((event) => [event.id, event])),
        due,
        posts: mine,
        taken,
        steps: history,
      },
    ];
  });
}

export const isTaken = (status: number | null): boolean => status !== null && status >= 200 && status < 300;

export const copiesOf = (events: readonly LedgerEvent[]): number =>
  events.reduce((sum, { records }) => sum + records.length, 0);

/** By fence, the requests that arrived after the next claim. */
export function lateOf(steps: readonly TransitionRow[], posts: readonly Post[]): Map<number, Post[]> {
  const claimedAt = new Map(steps.filter(isClaim).map(({ fence, atMs }) => [fence, atMs]));
  const late = posts.filter(({ fence, atMs }) => atMs > (claimedAt.get(fence + 1) ?? Infinity));
  return Map.groupBy(late, ({ fence }) => fence);
}

/** From each CLAIMED to the end of the lease, reclaims included. */
export function leasesOf(
  steps: readonly TransitionRow[],
): { readonly fromMs: number; readonly toMs: number }[] {
  return steps.flatMap((step, index) => {
    if (step.type !== 'CLAIMED') return [];
    const end = steps.slice(index).find(({ to }) => !isLeased(to));
    return [{ fromMs: step.atMs, toMs: end?.atMs ?? Infinity }];
  });
}

export function figuresOf(
  { posts, transitions, exits }: Evidence,
  cases: readonly Case[],
): Readonly<Record<string, number>> {
  const ended = (state: string, outcome: string | null = null): number =>
    cases.filter(({ replay }) => replay.state === state && (outcome === null || replay.outcome === outcome))
      .length;
  const late = cases.map(({ steps, posts: mine }) => [...lateOf(steps, mine).values()].flat().length);
  return {
    replays: cases.length,
    complete: ended('COMPLETED', 'complete'),
    incomplete: ended('COMPLETED', 'incomplete'),
    cancelled: ended('CANCELLED'),
    failed: ended('FAILED'),
    requests: posts.length,
    'answered with 2xx': posts.filter(({ status }) => isTaken(status)).length,
    transitions: transitions.length,
    reclaims: transitions.filter(({ type }) => type === 'RECLAIMED').length,
    releases: transitions.filter(({ type }) => type === 'RELEASED').length,
    pauses: transitions.filter(({ type }) => type === 'PAUSED').length,
    'clean stops': exits.filter(({ code }) => code === 0).length,
    'stops that were not clean': exits.filter(({ code }) => code !== 0).length,
    'ranges pinned late': transitions.filter(({ type }) => type === 'ENDS_PINNED').length,
    'requests of an older fence': late.reduce((sum, count) => sum + count, 0),
    'ms at most from a pause or cancel to the last request': Math.max(0, ...cases.map(slowestStop)),
  };
}

const STOPS_WAITING: readonly string[] = ['PAUSED', 'CANCELLED', 'RESUME_REQUESTED'];

/** A figure and no property: a frozen owner answers nobody, and a slow machine is slow. */
function slowestStop({ steps, posts }: Case): number {
  let slowest = 0;
  for (const [index, step] of steps.entries()) {
    if (step.type !== 'PAUSE_REQUESTED' && step.type !== 'CANCEL_REQUESTED') continue;
    const end = steps.slice(index + 1).find(({ type }) => STOPS_WAITING.includes(type));
    const until = end?.atMs ?? step.atMs;
    const later = posts.filter(({ atMs }) => atMs > step.atMs && atMs <= until).map(({ atMs }) => atMs);
    slowest = Math.max(slowest, ...later.map((atMs) => atMs - step.atMs));
  }
  return slowest;
}
