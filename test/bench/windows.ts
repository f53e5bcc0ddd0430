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
export function judgeWindows(arrivals: readonly number[], stretch: Stretch): Judged {
  const rates = windowRates(arrivals, stretch, { windowMs: WINDOW_MS, stepMs: STEP_MS });
  return { windows: rates.length, least: Math.min(...rates), most: Math.max(...rates) };
}

export interface Sliding {
  readonly windowMs: number;
  readonly stepMs: number;
}

/** Events per second in each whole window; `arrivals` in order. */
export function windowRates(
  arrivals: readonly number[],
  { fromMs, toMs }: Stretch,
  { windowMs, stepMs }: Sliding,
): readonly number[] {
  const rates: number[] = [];
  let [first, last] = [0, 0];
  for (let at = fromMs; at + windowMs <= toMs; at += stepMs) {
    while ((arrivals[first] ?? Infinity) < at) first++;
    while ((arrivals[last] ?? Infinity) < at + windowMs) last++;
    rates.push(((last - first) * 1_000) / windowMs);
  }
  return rates;
}
