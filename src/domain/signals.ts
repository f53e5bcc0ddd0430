// Every signal that the system emits: one fixed message, its fields in data, and the level it is logged at.
// Emitting is a function call; nobody listening costs nothing. Logs and metrics both hang on this table, so a
// thing that is worth a log line is worth a number too. Never payloads, secrets or URLs with credentials.

/** Fields of each signal; numbers carry their unit in the name. */
export interface Signals {
  'instance.started': { instance: string; listen: string };
  'instance.stopping': { instance: string; reason: string };
  'instance.stopped': { instance: string; clean: boolean };
  'database.lost': { error: string };
  'database.back': { awayMs: number };
  'log.problem': { site: string; problem: string };
  'log.fine': { site: string };
  'job.requested': { jobId: string; webhookId: string };
  'job.claimed': { jobId: string; fence: number };
  'job.reclaimed': { jobId: string; fence: number };
  'job.moved': { jobId: string; fact: string; from: string; to: string; fence: number };
  'job.refused': { jobId: string; fact: string; why: string };
  'job.fenced': { jobId: string; fence: number; at: string };
  'job.site_switched': { jobId: string; from: string; site: string; why: string; by: string };
  'job.ended': { jobId: string; state: string; outcome: string | null; durationMs: number };
  'job.crashed': { jobId: string; error: string };
  'plan.made': { planId: string; webhookId: string; records: number; warnings: string; durationMs: number };
  'plan.refused': { why: string; error: string; durationMs: number };
  'group.requested': { groupId: string; webhooks: number };
  'group.steered': { groupId: string; verb: string };
  'group.worked': { groupId: string; made: number; refused: number; steered: number };
  'jobs.pruned': { jobs: number };
  'lease.doubtful': { jobId: string; remainingMs: number };
  'cut.saved': { jobId: string; owed: number; durationMs: number };
  'read.fetched': { source: string; bytes: number };
  'read.batch': { source: string; records: number; matched: number; bytes: number; disorderMs: number };
  'read.thread_lost': { error: string };
  'read.retry': { source: string; error: string; attempt: number };
  'read.gap': { source: string; from: number; to: number; reason: string };
  'mirror.lag': { source: string; upstream: string; partition: number; latencyMs: number };
  'dedupe.done': { duplicates: number; tombstones: number; filtered: number };
  'dedupe.evicted': { jobId: string; identities: number };
  'delivery.attempt': { outcome: string; events: number; durationMs: number };
  'delivery.dead_letter': { jobId: string; reason: string };
  'delivery.in_flight': { change: number };
  'delivery.limited': { by: string; waitMs: number };
  'completion.delivered': { jobId: string; type: string; attempt: number; durationMs: number };
  'completion.again': { jobId: string; type: string; attempt: number; why: string; afterMs: number };
  'completion.given_up': { jobId: string; type: string; attempt: number; why: string };
  'webhook.checked': { webhookId: string; profile: string; result: string; durationMs: number };
  'webhook.validity': { webhookId: string; from: string; to: string; reason: string };
  'pool.polled': { claimed: number; reclaimed: number; durationMs: number };
  'store.commit': { fact: string; durationMs: number };
  'store.retry': { errno: number; attempt: number };
  'stream.open': { change: number };
  'stream.dropped': { jobId: string };
  'http.failed': { route: string; error: string };
}

export type SignalName = keyof Signals;
export type SignalLevel = 'debug' | 'info' | 'warn' | 'error' | 'none';

/** `none`: counted only, never logged (it can come thousands of times per second). */
export const SIGNALS: Readonly<
  Record<SignalName, { readonly level: SignalLevel; readonly message: string }>
> = {
  'instance.started': { level: 'info', message: 'instance started' },
  'instance.stopping': { level: 'info', message: 'instance is stopping' },
  'instance.stopped': { level: 'info', message: 'instance stopped' },
  'database.lost': { level: 'error', message: 'database does not answer; trying again' },
  'database.back': { level: 'info', message: 'database answers again' },
  'log.problem': { level: 'error', message: 'delivery log cannot be used; trying again' },
  'log.fine': { level: 'info', message: 'delivery log is usable' },
  'job.requested': { level: 'info', message: 'replay requested' },
  'job.claimed': { level: 'info', message: 'replay claimed' },
  'job.reclaimed': { level: 'warn', message: 'replay reclaimed after its lease ended' },
  'job.moved': { level: 'info', message: 'replay moved' },
  'job.refused': { level: 'warn', message: 'fact refused' },
  'job.fenced': { level: 'warn', message: 'lease lost; this instance stops acting for the replay' },
  'job.site_switched': { level: 'warn', message: 'replay goes on at another site' },
  'job.ended': { level: 'info', message: 'replay ended' },
  'job.crashed': {
    level: 'error',
    message: 'replay stopped by an unexpected error; it will be claimed again',
  },
  'plan.made': { level: 'info', message: 'replay planned' },
  'plan.refused': { level: 'warn', message: 'replay could not be planned' },
  'group.requested': { level: 'info', message: 'replay group requested' },
  'group.steered': { level: 'info', message: 'replay group steered' },
  'group.worked': { level: 'debug', message: 'replays of a group made or steered' },
  'jobs.pruned': { level: 'info', message: 'old replays pruned' },
  'lease.doubtful': { level: 'warn', message: 'lease near its end; delivery is held' },
  'cut.saved': { level: 'none', message: 'cut saved' },
  'read.fetched': { level: 'none', message: 'bytes fetched' },
  'read.batch': { level: 'none', message: 'batch read' },
  'read.thread_lost': { level: 'error', message: 'a scan thread ended; its replays will be claimed again' },
  'read.retry': { level: 'warn', message: 'reading failed; trying again' },
  'read.gap': { level: 'warn', message: 'part of the log cannot be read' },
  'mirror.lag': { level: 'none', message: 'replication latency measured' },
  'dedupe.done': { level: 'none', message: 'batch deduped' },
  'dedupe.evicted': { level: 'warn', message: 'dedupe memory is full; the older generation was forgotten' },
  'delivery.attempt': { level: 'none', message: 'delivery attempt ended' },
  'delivery.dead_letter': { level: 'debug', message: 'event dead-lettered' },
  'delivery.in_flight': { level: 'none', message: 'deliveries in flight changed' },
  'delivery.limited': { level: 'none', message: 'delivery waited for a limit' },
  'completion.delivered': { level: 'info', message: 'completion event delivered' },
  'completion.again': { level: 'warn', message: 'completion event not taken; trying again later' },
  'completion.given_up': { level: 'warn', message: 'completion event given up' },
  'webhook.checked': { level: 'debug', message: 'webhook checked' },
  'webhook.validity': { level: 'info', message: 'validity of a webhook changed' },
  'pool.polled': { level: 'none', message: 'pool polled' },
  'store.commit': { level: 'none', message: 'fact committed' },
  'store.retry': { level: 'debug', message: 'transaction tried again' },
  'stream.open': { level: 'none', message: 'open streams changed' },
  'stream.dropped': { level: 'debug', message: 'stream dropped: its client does not read' },
  'http.failed': { level: 'error', message: 'request failed unexpectedly' },
};

/** How parts tell what happened. Never throws. */
export type Emit = <Name extends SignalName>(name: Name, fields: Signals[Name]) => void;
