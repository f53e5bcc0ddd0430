// What the log itself gives reason to warn of before a plan is run. Pure.

import type { Gap, Pin } from '../domain/job.ts';
import type { PlanWarning } from '../domain/plan.ts';

const instant = (ms: number): string => new Date(ms).toISOString();

/** Nobody can tell whether the range had records where the log has lost its beginning. */
export function retentionWarnings(pins: readonly Pin[], gaps: readonly Gap[]): readonly PlanWarning[] {
  return gaps.map(({ source, to }) => {
    const first = pins.find((pin) => pin.source === source)?.first;
    const what = first
      ? `it begins at offset ${to}, with a batch up to ${instant(first.maxTimestampMs)}`
      : `nothing of the range is left before offset ${to}`;
    return {
      code: 'retention',
      source,
      detail: `${source} has lost its beginning: ${what}. What the range had before is gone, and a run ends incomplete.`,
    };
  });
}

export function unpinnedWarnings(
  pins: readonly Pin[],
  isSettled: boolean,
  settledAtMs: number,
): readonly PlanWarning[] {
  if (!isSettled) {
    const at = instant(settledAtMs);
    const detail =
      `The range may still grow until ${at}: its end is not pinned, the counts are of now, and a run pins the ` +
      `end then. Plan again after that time for exact bounds.`;
    return [{ code: 'not_settled', detail }];
  }
  return pins
    .filter(({ end }) => end === null)
    .map(({ source }) => ({
      code: 'mirror_unproven',
      source,
      detail: `The copy ${source} is not proven to have everything yet: its end is not pinned, and a run waits for the proof.`,
    }));
}
