// The example job of the tests: what was asked, the piece of log it reads, a cut, and a proposal of each fact type.

import type { Fact, FactType, Proposal } from '../../src/domain/fact.ts';
import { digestOf } from '../../src/domain/identity.ts';
import { asInstanceId, asSourceName, asWebhookId } from '../../src/domain/ids.ts';
import { NO_COUNTS } from '../../src/domain/job.ts';
import type { JobSpec, Pin } from '../../src/domain/job.ts';
import { MinuteLedger } from '../../src/domain/minute-ledger.ts';
import type { CutWrite, HeartbeatDetail } from '../../src/domain/store.ts';

/** As a client asks for it; the webhook's row gives the rest. */
export const SPEC: Omit<JobSpec, 'webhookId' | 'key'> = {
  kind: 'range',
  parentJobId: null,
  fromMs: 0,
  toMs: 60_000,
  identity: 'value',
  filters: [],
  order: 'any',
  scan: 'bounded',
  deliveryMode: 'single',
  readMode: 'failover',
  groupId: null,
  limits: { maxRate: null, concurrency: null },
};

/** As the job has it. */
export const JOB_SPEC: JobSpec = { ...SPEC, webhookId: asWebhookId('7'), key: '7' };

export const SOURCE = asSourceName('dc1/delivery_log');

export const pinTo = (end: number | null): Pin => ({
  source: SOURCE,
  topic: 'delivery_log',
  partition: 3,
  start: 1,
  end,
  first: { offset: 1, crc: 4e9, maxTimestampMs: 17 },
});

export const BEAT: HeartbeatDetail = {
  phase: 'streaming',
  rate: 12.5,
  etaMs: null,
  inFlight: 1,
  window: 2,
  queued: 3,
  retrying: 0,
  owed: 4,
  exposed: 5,
  waiting: null,
  lastRefusal: null,
};

/** A cut that settled everything below `next`, and nothing besides. */
export const bareCut = (next: number): CutWrite => ({
  cut: { [SOURCE]: { next, owed: [] } },
  counts: { ...NO_COUNTS, scanned: next },
  progress: next,
  deadLetters: [],
  gaps: [],
  letters: [],
  minutes: [],
});

/** A cut with something in each of its parts. */
export function fullCut(next: number, progress = next): CutWrite {
  const ledger = new MinuteLedger();
  ledger.delivered(0, digestOf(`event ${next}`));
  return {
    ...bareCut(next),
    cut: { [SOURCE]: { next, owed: [[next - 1, 'AAAAAAAAAAAAAAAAAAAAAA']] } },
    counts: { ...NO_COUNTS, scanned: next, matched: 2, delivered: 1 },
    progress,
    deadLetters: [
      {
        source: SOURCE,
        partition: 3,
        offset: next - 2,
        eventId: 'e',
        timestampMs: 5,
        reason: 'http_410',
        lastStatus: 410,
        attempts: 2,
      },
    ],
    gaps: [{ source: SOURCE, from: 1, to: 2, reason: 'retention' }],
    minutes: ledger.takeTouched(),
  };
}

/** `fence` is the present one; `n` varies what a fact of the type can say. */
export function proposalOf(type: FactType, fence: number, n: number, spec: JobSpec = JOB_SPEC): Proposal {
  const who = { by: `op ${n}`, why: 'example' };
  const pins = { site: 'dc1', partition: 3, pins: [pinTo(n % 2 ? 9 : null)] };
  switch (type) {
    case 'REQUESTED':
      return { type, spec, by: 'example' };
    case 'CLAIMED':
    case 'RECLAIMED':
      return { type, fence: fence + 1, owner: asInstanceId('example'), maxRepeat: 5, progress: n };
    case 'OFFSETS_RESOLVED':
      return { type, fence, ...pins, waitingUntilMs: n % 2 ? null : 1_700_000_000_123 };
    case 'NOTHING_TO_REPLAY':
      return { type, fence, ...pins };
    case 'ENDS_PINNED':
      return { type, fence, ends: { [SOURCE]: 9 + n } };
    case 'SITE_SWITCHED':
      return {
        type,
        fence,
        site: 'dc2',
        pins: [pinTo(9)],
        by: 'ledger',
        from: 'dc1',
        why: 'unreachable',
        waitingUntilMs: null,
        boundAdded: n,
      };
    case 'DRAINED':
      return { type, fence, outcome: n % 2 ? 'complete' : 'incomplete' };
    case 'RELEASED':
      return { type, fence, why: 'example' };
    case 'FAILED':
      return { type, fence, reason: 'nothing_readable', why: 'example' };
    case 'PAUSED':
      return { type, fence, reason: n % 2 ? 'requested' : 'endpoint_gone' };
    case 'LIMITS_CHANGED':
      return { type, limits: { maxRate: n + 0.5, concurrency: null }, ...who };
    case 'PAUSE_REQUESTED':
    case 'RESUME_REQUESTED':
    case 'CANCEL_REQUESTED':
      return { type, ...who };
    case 'CONTINUED':
    case 'CANCELLED':
      return { type, fence };
    case 'RESUMED':
      return { type };
  }
}

/** Committed, as far as the machine looks. */
export const stamped = (proposal: Proposal, seq = 1): Fact => ({
  ...proposal,
  seq,
  atMs: seq,
  cut: null,
  counts: NO_COUNTS,
});
