// Doing it again. Owned here: how often, how long in between, and which failures deserve it. A failure that
// says "there is no database" is told at once: callers have their own pace for that.

import { setTimeout as delay } from 'node:timers/promises';
import type { Emit } from '../domain/signals.ts';
import { errnoOf, failureOf, surfaced } from './failures.ts';

const TRIES = 5;
/** Doubles with each try; the wait is a random part of it, so that two that deadlocked do not meet again. */
const FIRST_WAIT_MS = 10;

/** Runs `work` up to five times. It must be safe to run again after a failure without an answer. */
export async function withRetries<Value>(emit: Emit, work: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const failure = failureOf(error);
      if (attempt === TRIES || failure === 'other' || failure === 'away') throw surfaced(error);
      emit('store.retry', { errno: errnoOf(error), attempt });
      await delay(Math.random() * FIRST_WAIT_MS * 2 ** attempt);
    }
  }
}
