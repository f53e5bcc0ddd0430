// What all runs together must have seen before the chaos counts as evidence.

/** Minutes of injected faults. */
export const MINUTES = 60;
export const MYSQL_MINUTES = 15;
export const SEEDS = 5;
export const INSTANCES = 3;

/** Least number of each kind; every other kind that is listed must have happened at all. */
export const FAULTS: Readonly<Record<string, number>> = {
  SIGKILL: 100,
  'SIGSTOP beyond the lease': 100,
  SIGTERM: 100,
  'kill -9 of the broker': 30,
  'kill -9 of the database': 30,
  'KILL of connections': 1,
  'blocked database connections beyond the lease': 1,
  'blocked database connections within the lease': 1,
  'locks on job rows': 1,
  'clock jumps ahead': 1,
  'clock jumps back': 1,
  'REST through another instance: pause': 1,
  'REST through another instance: pause and resume at once': 1,
  'REST through another instance: PATCH of the limits': 1,
  'REST through another instance: cancel': 1,
};
