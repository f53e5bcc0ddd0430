// What only several sites can show: minutes that the ledger proved to be done are not sent again (P13), and the
// figures of losses and switches.

import { isTaken } from './cases.ts';
import type { Case } from './cases.ts';
import { some } from './deliveries.ts';
import type { Evidence } from './evidence.ts';
import { readingAt, switchesOf } from './site-facts.ts';
import type { SiteSwitch } from './site-facts.ts';
import type { Blame, Look } from './verdict.ts';

const MINUTE_MS = 60_000;

/** Events of a done minute that were there before the switch do not come under its fence or a later one. */
export function checkDoneMinutes(one: Case, look: Look, blame: Blame): void {
  const { replay, steps, posts } = one;
  for (const each of switchesOf(steps)) {
    const { fence } = each;
    const done = doneEvents(one, each);
    look('P13', done.length);
    const later = new Set(posts.filter((post) => post.fence >= fence).map(({ event }) => event));
    const again = done.filter((event) => later.has(event));
    if (again.length > 0)
      blame('P13', `replay ${replay.id}, fence ${fence}: ${some(again)} of done minutes came again`);
  }
}

/** Delivered before the switch, and of a minute that the ledger proved to be done; none of a switch by memory. */
export function doneEvents({ range, posts }: Case, { minutes, fence }: SiteSwitch): readonly string[] {
  const before = posts.filter((post) => post.fence < fence && isTaken(post.status));
  return [...new Set(before.map(({ event }) => event))].filter((event) => {
    const found = new Set(range.get(event)?.records.map(({ atMs }) => Math.floor(atMs / MINUTE_MS)));
    // One whose copies stand in two minutes belongs to the earlier of those that a site holds.
    if (found.size !== 1) return false;
    return [...found].every((minute) => minutes.some(([from, to]) => minute >= from && minute < to));
  });
}

/** None with one site. */
export function siteFigures(
  { losses, held, ledger }: Evidence,
  cases: readonly Case[],
): Readonly<Record<string, number>> {
  if (held.length === 0) return {};
  const met = losses.map(({ site, fromMs, killed }) => {
    const reading = cases.flatMap(({ steps }) => {
      const found = readingAt(steps, fromMs);
      return found?.sites.includes(site) ? [steps] : [];
    });
    const isOrphaned = killed.some(({ instance, atMs }) =>
      reading.some((steps) => readingAt(steps, atMs)?.owner.startsWith(`${instance}-`)),
    );
    return { isMet: reading.length > 0, isOrphaned };
  });
  const switches = cases.flatMap(({ steps }) => switchesOf(steps));
  const count = (by: string): number => switches.filter((each) => each.by === by).length;
  const sum = (of: 'kept' | 'resent'): number => switches.reduce((total, each) => total + each[of], 0);
  const produced = ledger.webhooks.flatMap(({ events }) => events).flatMap(({ records }) => records);
  return {
    'site losses during running replays': met.filter(({ isMet }) => isMet).length,
    "site losses with an owner's death": met.filter(({ isOrphaned }) => isOrphaned).length,
    'site switches by memory': count('memory'),
    'site switches by the ledger': count('ledger'),
    'events that the ledger kept': sum('kept'),
    'events resent after a switch': sum('resent'),
    'records produced': produced.length,
    'records held by all sites': held.length,
  };
}
