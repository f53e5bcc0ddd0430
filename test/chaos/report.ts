// What a run says at its end.

import type { Bite } from './bite.ts';
import type { Timeline } from './timeline.ts';
import type { Verdict } from './verdict.ts';

const MOST_SHOWN = 10;

export function printFaults(timeline: Timeline): void {
  console.log(`faults: ${timeline.total}`);
  for (const [kind, count] of [...timeline.faults].sort())
    console.log(`  ${String(count).padStart(5)}  ${kind}`);
  if (timeline.notes.size > 0) console.log('besides:');
  for (const [what, count] of [...timeline.notes].sort())
    console.log(`  ${String(count).padStart(5)}  ${what}`);
}

/** Resolves to the number of violations. */
export function printVerdict({ findings, repeats, figures }: Verdict): number {
  console.log(
    Object.entries(figures)
      .map(([name, value]) => `${value} ${name}`)
      .join(', '),
  );
  const { seen, bound, unanswered, maybe, closest } = repeats;
  console.log(
    `repeats: ${seen} seen, allowed ${bound} by reclaims and ${unanswered} by unanswered attempts; ` +
      `the closest replay with a reclaim used ${closest.seen} of ${closest.allowed}` +
      (maybe === null ? '' : `; REST admits ${maybe}`),
  );
  let violations = 0;
  for (const { property, what, checked, violations: found } of findings) {
    violations += found.length;
    console.log(
      `${found.length === 0 ? 'holds   ' : 'VIOLATED'} ${property}  ${what}: ${checked} checked, ${found.length} violations`,
    );
    for (const text of found.slice(0, MOST_SHOWN)) console.log(`           ${text}`);
    if (found.length > MOST_SHOWN) console.log(`           and ${found.length - MOST_SHOWN} more`);
  }
  return violations;
}

/** Resolves to the number of spoiled places that the checker did not see. */
export function printBites(spoils: readonly Bite[]): number {
  const done = spoils.filter(({ found }) => found !== null);
  const missed = done.filter(({ found }) => found === false);
  for (const { property, what } of missed)
    console.log(`VIOLATED  the checker does not see ${what} (${property})`);
  if (done.length > 0)
    console.log(
      `the checker, given the same evidence spoiled in one place each, saw ${done.length - missed.length} of ${done.length}`,
    );
  return missed.length;
}
