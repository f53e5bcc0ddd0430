// Goes on with replay groups whose jobs are not all made or steered: those whose request did not wait for it, and those
// whose instance died meanwhile. Every instance looks, each at its own random pace; the store keeps two from doing the
// same. Refused: any rule of groups.

import { pause } from '../domain/pause.ts';
import type { GroupStore } from '../domain/group.ts';
import type { Emit } from '../domain/signals.ts';

export interface GroupKeeping {
  readonly groups: Pick<GroupStore, 'work'>;
  readonly emit: Emit;
  /** From 0 to 1. */
  readonly random: () => number;
  /** There may be something to claim. */
  readonly nudge: () => void;
}

const INTERVAL_MS = 1_000;
/** A stop waits no longer than that for a stretch of work. */
const STRETCH_MS = 1_000;

/** Resolves after `signal`. */
export async function keepGroups(
  { groups, emit, random, nudge }: GroupKeeping,
  signal: AbortSignal,
  intervalMs = INTERVAL_MS,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (let done = await groups.work(STRETCH_MS); done; done = await groups.work(STRETCH_MS)) {
        const { groupId, made, refused, steered } = done;
        for (const { jobId, webhookId } of made) emit('job.requested', { jobId, webhookId });
        emit('group.worked', { groupId, made: made.length, refused, steered });
        if (made.length + steered > 0) nudge();
        if (signal.aborted) return;
      }
    } catch {
      // The store has said that the database is away; the next look goes on.
    }
    await pause(intervalMs * (0.5 + random()), signal);
  }
}
