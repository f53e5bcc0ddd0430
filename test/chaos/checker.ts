// The outside checker: pronounces on P1-P9, P12 and P13 out of the evidence and nothing else. It imports nothing of the
// product. Again on kept evidence: node test/chaos/checker.ts <folder>

import { isDeepStrictEqual } from 'node:util';
import { casesOf, figuresOf, isTaken, lateOf, leasesOf } from './cases.ts';
import type { Case } from './cases.ts';
import { checkDeliveries, some } from './deliveries.ts';
import type { Accepted } from './demand.ts';
import { load } from './evidence.ts';
import type { Evidence, TransitionRow } from './evidence.ts';
import { fold, isTerminal, pinsOf, stepFault } from './law.ts';
import type { Folded } from './law.ts';
import type { LedgerWebhook } from './ledger.ts';
import { printVerdict } from './report.ts';
import type { ReplayAnswer } from './rest.ts';
import { checkDoneMinutes, siteFigures } from './site-checks.ts';
import type { Blame, Look, Property, Repeats, Verdict } from './verdict.ts';
import { PROPERTIES } from './verdict.ts';

/** A claim's time is its statement's start, which may be read an instant before it sees the turn. */
const OVERLAP_MS = 50;

export function judge(evidence: Evidence): Verdict {
  const findings = new Map(
    Object.entries(PROPERTIES).map(([property, what]) => [
      property,
      { property, what, checked: 0, violations: [] as string[] },
    ]),
  );
  const look = (property: Property, count = 1): void => {
    const finding = findings.get(property);
    if (finding) finding.checked += count;
  };
  const blame = (property: Property, text: string): void => {
    findings.get(property)?.violations.push(text);
  };
  const cases = casesOf(evidence);
  const held = Map.groupBy(evidence.held, ({ key }) => key);
  checkStrays(evidence, blame);
  const repeats: Repeats = {
    seen: 0,
    bound: 0,
    unanswered: 0,
    maybe: null,
    closest: { seen: 0, allowed: 0 },
  };
  for (const one of cases) {
    checkDeliveries(one, held.get(one.webhook.key) ?? [], look, blame);
    checkDoneMinutes(one, look, blame);
    checkForeign(one, look, blame);
    checkRepeats(one, repeats, look, blame);
    checkEnd(one, look, blame);
    checkHistory(one, evidence.told[one.replay.id] ?? [], look, blame);
    checkFences(one, look, blame);
  }
  checkAccepted(evidence, look, blame);
  checkTurns(evidence.ledger.webhooks, cases, look, blame);
  checkExits(evidence, look, blame);
  return {
    findings: [...findings.values()],
    repeats,
    figures: { ...figuresOf(evidence, cases), ...siteFigures(evidence, cases) },
  };
}

/** What nobody asked for: requests and transitions of replays that REST does not know. */
function checkStrays({ ledger, posts, transitions, replays }: Evidence, blame: Blame): void {
  const known = new Set(replays.map(({ id }) => id));
  const strays = (jobs: readonly { readonly job: string }[]) =>
    new Set(jobs.map(({ job }) => job).filter((job) => !known.has(job)));
  for (const id of strays(posts)) blame('P2', `a request of replay ${id}, which nobody knows`);
  for (const id of strays(transitions)) blame('P6', `transitions of ${id}, which REST does not know`);
  const webhooks = new Set(ledger.webhooks.map(({ id }) => id));
  for (const { id, webhookId } of replays)
    if (!webhooks.has(webhookId)) blame('P5', `replay ${id} belongs to the unknown webhook ${webhookId}`);
}

function checkForeign({ replay, range, posts, target }: Case, look: Look, blame: Blame): void {
  look('P2', posts.length);
  for (const { event, sha256, target: at } of posts) {
    const told = `replay ${replay.id} sent ${event}`;
    if (at !== target) blame('P2', `${told} to receiver ${at} instead of ${target}`);
    else if (!range.has(event)) blame('P2', `${told}, which its range does not hold`);
    else if (range.get(event)?.sha256 !== sha256) blame('P2', `${told} with another body`);
  }
}

function checkRepeats({ replay, taken, steps }: Case, sum: Repeats, look: Look, blame: Blame): void {
  look('P3', taken.size);
  const seen = [...taken.values()].reduce((total, times) => total + times - 1, 0);
  const { unanswered = 0, evicted = 0, unknownBelowCut = 0 } = replay.counts;
  const allowed = replay.duplicateBound + unanswered;
  sum.seen += seen;
  sum.bound += replay.duplicateBound;
  sum.unanswered += unanswered;
  if (seen * sum.closest.allowed >= sum.closest.seen * allowed && replay.duplicateBound > 0)
    sum.closest = { seen, allowed };
  const told = `replay ${replay.id}: ${seen} repeats, bound ${replay.duplicateBound}, unanswered ${unanswered}`;
  if (seen > allowed) blame('P3', told);
  const { maybeRepeated } = replay.counts;
  if (maybeRepeated === undefined) return;
  sum.maybe = (sum.maybe ?? 0) + maybeRepeated;
  // An owner that was lost and had no successor took its last count of unanswered attempts with it.
  const isUncounted = steps.at(-2)?.type === 'RECLAIMED' && isTerminal(replay.state);
  if (!isUncounted && maybeRepeated + evicted + unknownBelowCut + unanswered < seen)
    blame('P3', `${told}, maybeRepeated only ${maybeRepeated}`);
  if (maybeRepeated > replay.duplicateBound) blame('P3', `${told}, maybeRepeated even ${maybeRepeated}`);
}

function checkEnd({ replay, steps, taken, posts }: Case, look: Look, blame: Blame): void {
  const ends = steps.filter(({ to }) => isTerminal(to));
  if (!isTerminal(replay.state)) return;
  look('P4');
  const [end] = ends;
  if (!end || ends.length > 1 || steps.at(-1) !== end) {
    blame('P4', `replay ${replay.id} has the ends ${ends.map(({ seq, to }) => `${seq} ${to}`).join(', ')}`);
  } else if (end.to === 'COMPLETED') {
    const first = new Map<string, number>();
    for (const { event, status, atMs } of posts)
      if (isTaken(status) && !first.has(event)) first.set(event, atMs);
    const late = [...taken.keys()].filter((id) => (first.get(id) ?? 0) > end.atMs);
    if (late.length > 0) blame('P4', `replay ${replay.id} ended before ${some(late)} was delivered`);
  }
}

function checkHistory({ replay, steps }: Case, told: readonly string[], look: Look, blame: Blame): void {
  look('P6', steps.length);
  for (const [index, step] of steps.entries()) {
    const fault = stepFault(steps[index - 1] ?? null, step);
    if (fault !== null) blame('P6', `replay ${replay.id}, transition ${step.seq}: ${fault}`);
  }
  const stored = steps.map(({ seq, type, to }) => `${seq} ${type} ${to}`);
  if (!isDeepStrictEqual(stored, told)) blame('P6', `replay ${replay.id}: REST tells another history`);
  for (const [name, value] of Object.entries(expected(replay, steps))) {
    const shown = replay[name as keyof ReplayAnswer];
    if (isShown(name, shown, value)) continue;
    blame(
      'P6',
      `replay ${replay.id} shows ${name} ${JSON.stringify(shown)}, its facts say ${JSON.stringify(value)}`,
    );
  }
}

/** What was forgotten, or not known below the cut, widens the bound, as soon as REST counts both. */
function expected({ counts }: ReplayAnswer, steps: readonly TransitionRow[]): Folded {
  const told = fold(steps);
  const { evicted = 0, unknownBelowCut } = counts;
  if (unknownBelowCut === undefined) return told;
  return { ...told, duplicateBound: Number(told['duplicateBound']) + evicted + unknownBelowCut };
}

/** REST need not show every count, and may tell more of a pin. */
function isShown(name: string, shown: unknown, told: unknown): boolean {
  if (name === 'pins') return isDeepStrictEqual(pinsOf(shown), told);
  if (name !== 'counts') return isDeepStrictEqual(shown, told);
  const counts = told as ReplayAnswer['counts'];
  return Object.entries(shown as ReplayAnswer['counts']).every(([each, count]) =>
    isDeepStrictEqual(counts[each], count),
  );
}

/** Transitions: none under an older fence. Requests: what a sleeper had in its window, and no more. */
function checkFences({ replay, steps, posts, webhook }: Case, look: Look, blame: Blame): void {
  look('P7', steps.length);
  let highest = 0;
  for (const { seq, fence } of steps) {
    if (fence < highest)
      blame('P7', `replay ${replay.id}: transition ${seq} of fence ${fence} after ${highest}`);
    highest = Math.max(highest, fence);
  }
  for (const [fence, late] of lateOf(steps, posts)) {
    if (late.length > webhook.concurrency)
      blame('P7', `replay ${replay.id}: ${late.length} requests of fence ${fence} after the next claim`);
  }
}

function checkAccepted({ accepted, replays }: Evidence, look: Look, blame: Blame): void {
  const byId = new Map(replays.map((replay) => [replay.id, replay]));
  look('P5', Math.max(accepted.length, replays.length));
  for (const { id, webhookId, fromMs, toMs } of accepted) {
    const replay = byId.get(id);
    if (!replay) blame('P5', `replay ${id} was accepted and is gone`);
    else if (!isAsAsked(replay, { webhookId, fromMs, toMs }))
      blame('P5', `replay ${id} is not what was asked for`);
  }
  for (const { id, state, version } of replays) {
    if (!isTerminal(state)) blame('P5', `replay ${id} is still ${state} at version ${version}`);
  }
}

function isAsAsked(replay: ReplayAnswer, { webhookId, fromMs, toMs }: Omit<Accepted, 'id'>): boolean {
  return (
    replay.webhookId === webhookId && Date.parse(replay.from) === fromMs && Date.parse(replay.to) === toMs
  );
}

/** From a claim until the lease's end, no other replay of the webhook has one. */
function checkTurns(
  webhooks: readonly LedgerWebhook[],
  cases: readonly Case[],
  look: Look,
  blame: Blame,
): void {
  for (const { id } of webhooks) {
    const leases = cases
      .filter(({ webhook }) => webhook.id === id)
      .flatMap(({ replay, steps }) => leasesOf(steps).map((lease) => ({ ...lease, replay: replay.id })))
      .sort((a, b) => a.fromMs - b.fromMs);
    look('P9', leases.length);
    for (const [index, lease] of leases.entries()) {
      const next = leases[index + 1];
      if (next && next.replay !== lease.replay && lease.toMs - next.fromMs > OVERLAP_MS)
        blame(
          'P9',
          `webhook ${id}: replay ${next.replay} was claimed ${lease.toMs - next.fromMs} ms before ${lease.replay} was over`,
        );
    }
  }
}

/** Exit code 0 says that everything was let go: whoever is free may claim it at once. */
function checkExits({ exits }: Evidence, look: Look, blame: Blame): void {
  for (const { instance, code, held } of exits) {
    if (code === 'hung') blame('P12', `${instance} did not end after SIGTERM`);
    if (code !== 0 || held === null) continue;
    look('P12');
    if (held.length > 0)
      blame('P12', `${instance} ended with 0 and its lease still held replay ${held.join(', ')}`);
  }
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: node test/chaos/checker.ts <folder of the evidence>');
  process.exitCode = printVerdict(judge(load(folder))) === 0 ? 0 : 1;
}
