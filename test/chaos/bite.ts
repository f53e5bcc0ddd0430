// Shows that the checker bites: evidence that was found good is spoiled in one place per property, and the checker
// must find each of them. A property that could not be spoiled (nothing of its kind happened) is told as such.

import { judge } from './checker.ts';
import { casesOf } from './cases.ts';
import type { Case } from './cases.ts';
import { recordsRead } from './deliveries.ts';
import type { Evidence, TransitionRow } from './evidence.ts';
import { isTerminal } from './law.ts';
import { doneEvents } from './site-checks.ts';
import { switchesOf } from './site-facts.ts';

export interface Bite {
  readonly what: string;
  readonly property: string;
  /** null = there was nothing to spoil. */
  readonly found: boolean | null;
}

interface Spoil {
  readonly property: string;
  readonly what: string;
  /** null = nothing to spoil. */
  readonly make: (evidence: Evidence, cases: readonly Case[]) => Evidence | null;
}

export function bites(evidence: Evidence): readonly Bite[] {
  const cases = casesOf(evidence);
  return SPOILS.map(({ property, what, make }) => {
    const spoiled = make(evidence, cases);
    if (!spoiled) return { what, property, found: null };
    const finding = judge(spoiled).findings.find((each) => each.property === property);
    return { what, property, found: finding !== undefined && finding.violations.length > 0 };
  });
}

const busiest = (cases: readonly Case[]): Case | undefined =>
  cases
    .filter(({ replay, due }) => replay.outcome === 'complete' && due.length > 0)
    .sort((a, b) => b.posts.length - a.posts.length)[0];

const ofOne =
  (make: (evidence: Evidence, one: Case) => Evidence | null): Spoil['make'] =>
  (evidence, cases) => {
    const one = busiest(cases);
    return one ? make(evidence, one) : null;
  };

const withStep = (evidence: Evidence, step: TransitionRow, news: readonly TransitionRow[]): Evidence => ({
  ...evidence,
  transitions: evidence.transitions.flatMap((each) => (each === step ? news : [each])),
});

const SPOILS: readonly Spoil[] = [
  {
    property: 'P1',
    what: 'an event that never came',
    make: ofOne((evidence, { replay, due }) => ({
      ...evidence,
      posts: evidence.posts.filter(({ job, event }) => job !== replay.id || event !== due[0]?.id),
    })),
  },
  {
    property: 'P2',
    what: 'a body with another byte',
    make: ofOne((evidence, { posts: [first] }) => ({
      ...evidence,
      posts: evidence.posts.map((post) => (post === first ? { ...post, sha256: `0${post.sha256}` } : post)),
    })),
  },
  {
    property: 'P2',
    what: 'an event at the wrong receiver',
    make: ofOne((evidence, { posts: [first] }) => ({
      ...evidence,
      posts: evidence.posts.map((post) => (post === first ? { ...post, target: post.target + 1 } : post)),
    })),
  },
  {
    property: 'P3',
    what: 'one repeat too many',
    make: ofOne((evidence, { replay, posts, taken }) => {
      const post = posts.find(({ status }) => status === 200);
      if (!post) return null;
      const seen = [...taken.values()].reduce((sum, times) => sum + times - 1, 0);
      const more = replay.duplicateBound + (replay.counts['unanswered'] ?? 0) - seen + 1;
      return { ...evidence, posts: [...evidence.posts, ...Array.from({ length: more }, () => post)] };
    }),
  },
  {
    property: 'P4',
    what: 'a second end',
    make: ofOne((evidence, { steps }) => {
      const end = steps.at(-1);
      return end ? withStep(evidence, end, [end, { ...end, seq: end.seq + 1 }]) : null;
    }),
  },
  {
    property: 'P4',
    what: 'an end before the last event',
    make: ofOne((evidence, { steps, posts }) => {
      const end = steps.find(({ to }) => isTerminal(to));
      const firstMs = Math.min(...posts.map(({ atMs }) => atMs));
      return end ? withStep(evidence, end, [{ ...end, atMs: firstMs - 1 }]) : null;
    }),
  },
  {
    property: 'P5',
    what: 'a replay that is gone',
    // One whose 202 was lost on its way was promised to nobody.
    make: (evidence, cases) => {
      const accepted = new Set(evidence.accepted.map(({ id }) => id));
      const one = busiest(cases.filter(({ replay }) => accepted.has(replay.id)));
      return one ? { ...evidence, replays: evidence.replays.filter(({ id }) => id !== one.replay.id) } : null;
    },
  },
  {
    property: 'P5',
    what: 'a replay that hangs',
    make: ofOne((evidence, { replay }) => ({
      ...evidence,
      replays: evidence.replays.map((each) => (each === replay ? { ...each, state: 'ONGOING' } : each)),
    })),
  },
  {
    property: 'P6',
    what: 'a missing transition',
    make: ofOne((evidence, { steps: [, second] }) => (second ? withStep(evidence, second, []) : null)),
  },
  {
    property: 'P7',
    what: 'a transition of an older fence',
    make: ofOne((evidence, { steps }) => {
      const end = steps.at(-1);
      return end ? withStep(evidence, end, [{ ...end, fence: end.fence - 1 }]) : null;
    }),
  },
  { property: 'P1', what: 'an event that was read by an incomplete replay', make: readAndLost },
  { property: 'P13', what: 'an event of a done minute once more', make: doneAgain },
  { property: 'P9', what: 'a claim during the lease of another', make: overlap },
  {
    property: 'P12',
    what: 'a lease that a clean stop left',
    make: (evidence) => {
      const exit = evidence.exits.find(({ code, held }) => code === 0 && held !== null);
      return exit ? { ...evidence, exits: [...evidence.exits, { ...exit, held: ['1'] }] } : null;
    },
  },
];

/** Its gaps excuse what it never saw, not what it read. */
function readAndLost(evidence: Evidence, cases: readonly Case[]): Evidence | null {
  for (const one of cases) {
    const { replay, webhook, taken } = one;
    if (replay.outcome !== 'incomplete' || replay.gaps.length === 0) continue;
    const mine = evidence.held.filter(({ key }) => key === webhook.key);
    const lost = recordsRead(one, mine).find(({ event }) => taken.has(event));
    if (!lost) continue;
    const posts = evidence.posts.filter(({ job, event }) => job !== replay.id || event !== lost.event);
    return { ...evidence, posts };
  }
  return null;
}

function doneAgain(evidence: Evidence, cases: readonly Case[]): Evidence | null {
  for (const one of cases) {
    for (const each of switchesOf(one.steps)) {
      const [event] = doneEvents(one, each);
      const post = one.posts.find((known) => known.event === event);
      if (post) return { ...evidence, posts: [...evidence.posts, { ...post, fence: each.fence }] };
    }
  }
  return null;
}

/** The second replay of a webhook is claimed just after the first one. */
function overlap(evidence: Evidence, cases: readonly Case[]): Evidence | null {
  for (const same of Map.groupBy(cases, ({ webhook }) => webhook.id).values()) {
    const claims = same
      .flatMap(({ steps }) => steps.filter(({ type }) => type === 'CLAIMED').slice(0, 1))
      .sort((a, b) => a.atMs - b.atMs);
    const [first, second] = claims;
    if (first && second) return withStep(evidence, second, [{ ...second, atMs: first.atMs + 1 }]);
  }
  return null;
}
