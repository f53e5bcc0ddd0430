// Arrivals judged by windows: the fewest and the most per second in any whole window of a stretch of time.
// Windows slide in small steps, so one that is bad between two round numbers is seen too.

export const WINDOW_MS = 10_000;
const STEP_MS = 100;

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Judged {
  readonly windows: number;
  /** Events per second. */
  readonly least: number;
  readonly most: number;
}

/** `arrivals` in order. */
export function judgeWindows(arrivals: readonly number[], { fromMs, toMs }: Stretch): Judged {
  let [windows, least, most] = [0, Infinity, -Infinity];
  let [first, last] = [0, 0];
  for (let at = fromMs; at + WINDOW_MS <= toMs; at += STEP_MS) {
    while ((arrivals[first] ?? Infinity) < at) first++;
    while ((arrivals[last] ?? Infinity) < at + WINDOW_MS) last++;
    const rate = ((last - first) * 1_000) / WINDOW_MS;
    windows++;
    least = Math.min(least, rate);
    most = Math.max(most, rate);
  }
  return { windows, least, most };
}
