// What all runs together must have seen before the chaos counts as evidence: those of one site, those of two.

export interface Demanded {
  /** Minutes of injected faults. */
  readonly minutes: number;
  readonly mysqlMinutes: number;
  readonly seeds: number;
  readonly instances: number;
  /** Least number of each kind; every other kind that is listed must have happened at all. */
  readonly faults: Readonly<Record<string, number>>;
  /** Whether every fault of a receiver must have happened, too. */
  readonly everyReceiverFault: boolean;
  /** Least of what the checker counted. */
  readonly figures: Readonly<Record<string, number>>;
}

export const ONE_SITE: Demanded = {
  minutes: 60,
  mysqlMinutes: 15,
  seeds: 5,
  instances: 3,
  faults: {
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
  },
  everyReceiverFault: true,
  figures: {},
};

export const TWO_SITES: Demanded = {
  minutes: 30,
  mysqlMinutes: 0,
  seeds: 3,
  instances: 3,
  faults: {
    'kill -9 of a site': 1,
    'SIGSTOP of a site': 1,
    'kill -9 of a site: loss': 1,
    'SIGSTOP of a site: loss': 1,
    'kill -9 of a site: loss with owners': 1,
    'SIGSTOP of a site: loss with owners': 1,
    'kill -9 of MirrorMaker': 1,
    'SIGSTOP of MirrorMaker': 1,
    'MirrorMaker far behind': 1,
    'MirrorMaker without one direction': 1,
    'MirrorMaker with a stuck topic': 1,
    SIGKILL: 1,
    'SIGSTOP beyond the lease': 1,
    SIGTERM: 1,
    'kill -9 of the database': 1,
  },
  everyReceiverFault: false,
  figures: {
    'site losses during running replays': 20,
    "site losses with an owner's death": 10,
    'site switches by memory': 1,
    'site switches by the ledger': 1,
    'events that the ledger kept': 1,
  },
};
