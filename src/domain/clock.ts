// Time as a port: domain rules take numbers, running things take a Clock. Two clocks, because a monotonic one
// stands still while a virtual machine sleeps and a wall clock can be set back.

export interface Clock {
  /** Monotonic milliseconds. */
  monoMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
}

export const systemClock: Clock = {
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
};
