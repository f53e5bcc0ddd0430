// P1: what a replay that ended by itself delivered, against the ledger, against what it says of itself, and, with
// several sites, against what those held that it says it has read.

import { copiesOf } from './cases.ts';
import type { Case } from './cases.ts';
import type { HeldRecord } from './held.ts';
import { pinsAtEnd } from './site-facts.ts';
import type { GapAnswer } from './rest.ts';
import type { Blame, Look } from './verdict.ts';

export function checkDeliveries(one: Case, held: readonly HeldRecord[], look: Look, blame: Blame): void {
  const { replay, due, taken, posts } = one;
  if (replay.state !== 'COMPLETED') return;
  const told = `replay ${replay.id} (${String(replay.outcome)})`;
  const { matched = 0, delivered = 0, duplicates = 0, filtered = 0, deadLettered = 0 } = replay.counts;
  look('P1', due.length);
  const missing = due.map(({ id }) => id).filter((id) => !taken.has(id));
  const hasGaps = replay.gaps.length > 0;
  if (replay.outcome === 'complete') {
    if (missing.length > 0) blame('P1', `${told} never delivered ${some(missing)}`);
    if (deadLettered > 0 || (hasGaps && !mayBeFilled(one))) blame('P1', `${told} has dead letters or gaps`);
  } else {
    if (deadLettered === 0 && !hasGaps) blame('P1', `${told} does not tell what is missing`);
    const tried = new Set(posts.map(({ event }) => event));
    const untried = missing.filter((id) => !tried.has(id));
    if (!hasGaps && (untried.length > 0 || missing.length > deadLettered))
      blame(
        'P1',
        `${told}: ${missing.length} missing, ${deadLettered} dead letters, never tried: ${some(untried)}`,
      );
  }
  if (matched !== delivered + duplicates + filtered + deadLettered) blame('P1', `${told} does not add up`);
  checkHeld(one, held, look, blame);
  if (!hasGaps) checkCounts(one, held.length > 0, blame);
}

/** Another site was read for it. */
const mayBeFilled = ({ replay, steps }: Case): boolean =>
  replay.gaps.every(({ filledBy }) => typeof filledBy === 'string') ||
  steps.some(({ type }) => type === 'SITE_SWITCHED') ||
  String(replay.site).includes('+');

function checkCounts({ replay, range, due }: Case, hasSites: boolean, blame: Blame): void {
  const { matched = 0, delivered = 0, deadLettered = 0 } = replay.counts;
  const ended = delivered + deadLettered;
  // A mirror has every record once more, some of them twice; after a switch by the ledger only events are counted.
  const [least, most] = hasSites ? [due.length, Infinity] : [copiesOf(due), copiesOf([...range.values()])];
  if (ended < due.length || ended > range.size || matched < least || matched > most)
    blame(
      'P1',
      `replay ${replay.id} (${String(replay.outcome)}) counts ${ended} events of ${due.length}-${range.size}, ` +
        `${matched} records of ${least}-${most}`,
    );
}

/** Of the range, below the ends that it pinned, in no gap: what it says it has read. */
export function recordsRead(
  { replay, webhook, steps }: Case,
  held: readonly HeldRecord[],
): readonly HeldRecord[] {
  const pins = pinsAtEnd(steps).filter(({ isLeft, isRead }) => isLeft !== true || isRead === true);
  const [fromMs, toMs] = [Date.parse(replay.from), Date.parse(replay.to)];
  const isRead = ({ source, partition, offset }: HeldRecord): boolean =>
    pins.some((pin) => pin.source === source && pin.partition === partition && offset < (pin.end ?? 0));
  return held.filter(
    (record) =>
      record.key === webhook.key &&
      record.atMs >= fromMs &&
      record.atMs < toMs &&
      isRead(record) &&
      !replay.gaps.some((gap) => covers(gap, record)),
  );
}

/** All of that was delivered or given up. */
function checkHeld(one: Case, held: readonly HeldRecord[], look: Look, blame: Blame): void {
  const { replay, taken, posts } = one;
  const records = recordsRead(one, held);
  look('P1', records.length);
  const missing = [...new Set(records.map(({ event }) => event))].filter((event) => !taken.has(event));
  const tried = new Set(posts.map(({ event }) => event));
  const untried = missing.filter((event) => !tried.has(event));
  const { deadLettered = 0 } = replay.counts;
  if (untried.length === 0 && missing.length <= deadLettered) return;
  blame(
    'P1',
    `replay ${replay.id} (${String(replay.outcome)}, ${String(replay.site)}) read ${some(missing)} and did not ` +
      `deliver them; ${deadLettered} dead letters, ${untried.length} never tried`,
  );
}

const covers = (gap: GapAnswer, { source, offset }: HeldRecord): boolean =>
  gap.source === source && offset >= Number(gap.from) && offset < Number(gap.to);

export const some = (ids: readonly string[]): string =>
  `${ids.length} event(s): ${ids.slice(0, 4).join(', ')}${ids.length > 4 ? ' ...' : ''}`;
