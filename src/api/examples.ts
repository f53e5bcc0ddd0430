// Examples of the API's description: one value per named schema, and what a problem says per error code.
// Invariant: each fits its schema, and is as the running API answers; a test holds them against it.

import type { Static } from 'typebox';
import type { ErrorCode, InputFault } from '../domain/errors.ts';
import type { DeadLetterAnswer, ReplayAnswer, TransitionAnswer, webhook } from './answers.ts';

const WEBHOOK_ID = '882705129484288001';
const REPLAY_ID = '882705129484288003';
const SOURCE = 'dc1/delivery_log';

const shownWebhook: Static<typeof webhook> = {
  id: WEBHOOK_ID,
  url: 'https://customer.example/hook',
  key: WEBHOOK_ID,
  description: 'orders of customer 17',
  maxRate: 500,
  concurrency: null,
  delivery: { mode: 'single', maxEvents: 100, maxBytes: 262_144 },
  contentType: 'application/json',
  headers: {},
  notifications: ['replay.completed', 'replay.failed'],
  profile: 'standard',
  validity: {
    state: 'unproven',
    required: false,
    failures: 0,
    reason: null,
    checkedAt: null,
    nextCheckAt: null,
    checks: [],
  },
  version: 1,
  createdAt: '2026-11-20T08:00:00.000Z',
  updatedAt: '2026-11-20T08:00:00.000Z',
};

const shownReplay: ReplayAnswer = {
  id: REPLAY_ID,
  webhookId: WEBHOOK_ID,
  kind: 'range',
  parentId: null,
  state: 'ONGOING',
  outcome: null,
  from: '2026-11-20T10:00:00.000Z',
  to: '2026-11-20T12:30:00.000Z',
  planId: null,
  groupId: null,
  filters: [],
  counts: {
    scanned: 184_000,
    matched: 9210,
    duplicates: 4,
    filtered: 0,
    tombstones: 0,
    delivered: 9104,
    deadLettered: 2,
    unanswered: 1,
    maybeRepeated: 0,
    evicted: 0,
    unknownBelowCut: 0,
    siteSwitches: 0,
    onlyIn: {},
  },
  cut: { [SOURCE]: { next: '71204511', owed: 12 } },
  fence: 1,
  duplicateBound: 0,
  disorder: { seenMs: 1200, slackMs: 900_000 },
  rate: 498.5,
  etaMs: 41_000,
  waitingUntil: null,
  createdAt: '2026-11-20T13:00:00.000Z',
  updatedAt: '2026-11-20T13:00:18.400Z',
  finishedAt: null,
  phase: 'streaming',
  rebuilt: null,
  waiting: null,
  wanted: null,
  pauseReason: null,
  failReason: null,
  owner: 'host-a-1f3c',
  reclaims: 0,
  heartbeatAt: '2026-11-20T13:00:18.100Z',
  site: 'dc1',
  read: 'failover',
  evidence: null,
  partition: 3,
  pins: [
    {
      source: SOURCE,
      topic: 'delivery_log',
      partition: 3,
      start: '71020511',
      end: '71391077',
      copyOf: null,
      evidence: null,
      left: false,
    },
  ],
  gaps: [],
  limits: { maxRate: 500, concurrency: null },
  order: 'any',
  scan: 'bounded',
  version: 3,
};

const shownDeadLetter: DeadLetterAnswer = {
  replayId: REPLAY_ID,
  source: SOURCE,
  partition: 3,
  offset: '71020642',
  eventId: 'evt_2ZfQ8pR1',
  eventTime: '2026-11-20T10:00:03.417Z',
  reason: 'http_400',
  lastStatus: 400,
  attempts: 1,
  state: 'open',
  byReplayId: null,
};

const shownTransition: TransitionAnswer = {
  seq: 2,
  type: 'CLAIMED',
  from: 'OPEN',
  to: 'STARTED',
  fence: 1,
  owner: 'host-a-1f3c',
  at: '2026-11-20T13:00:00.021Z',
  by: null,
  why: null,
  body: {
    type: 'CLAIMED',
    fence: 1,
    owner: 'host-a-1f3c' as never,
    maxRepeat: 1000,
    progress: 0,
    seq: 2,
    atMs: 1_795_179_600_021,
    cut: null,
    counts: null as never,
  },
};

/** By the name of the schema. */
export const EXAMPLES: Readonly<Record<string, unknown>> = {
  WebhookDraft: { url: 'https://customer.example/hook', description: 'orders of customer 17', maxRate: 500 },
  WebhookChange: { maxRate: 100, delivery: { mode: 'ndjson', maxEvents: 100, maxBytes: 262_144 } },
  Webhook: shownWebhook,
  WebhookWithSecret: { ...shownWebhook, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  WebhookPage: { items: [shownWebhook], nextCursor: null },
  ReplayDraft: { from: '2026-11-20T10:00:00Z', to: '2026-11-20T12:30:00Z', maxRate: 500 },
  Replay: shownReplay,
  ReplayPage: { items: [shownReplay], nextCursor: 'cmVwbGF5czo4ODI3MDUxMjk0ODQyODgwMDM' },
  SteeringReason: { reason: 'the receiver is under load' },
  LimitsChange: { maxRate: 200, reason: 'the receiver is under load' },
  LimitsOfChild: { maxRate: 50, reason: 'the receiver was mended' },
  DeadLetterPage: { items: [shownDeadLetter], nextCursor: null },
  TransitionPage: { items: [shownTransition], nextCursor: null },
  Liveness: { status: 'alive' },
  Readiness: {
    status: 'ready',
    database: { ok: true, problem: null },
    sites: [{ site: 'dc1', reachable: true, problem: null }],
  },
  ProblemMeaning: {
    type: '/problems/key_taken',
    code: 'key_taken',
    status: 409,
    retryable: false,
    title: 'Another webhook has this key',
  },
  EventArray: [
    { order: 17, state: 'paid' },
    { order: 18, state: 'open' },
  ],
};

interface ProblemExample {
  readonly detail: string;
  readonly faults?: readonly InputFault[];
}

/** What is missing here is shown with its title. */
export const PROBLEM_EXAMPLES: Readonly<Partial<Record<ErrorCode, ProblemExample>>> = {
  invalid_request: {
    detail: 'The body is not valid; see errors.',
    faults: [
      {
        pointer: '/maxRate',
        detail: 'must be >= 1; allowed: an integer from 1 to 2500 (events/s), or null for no own limit',
      },
    ],
  },
  invalid_range: {
    detail: 'The range cannot be replayed; see errors.',
    faults: [
      {
        pointer: '/to',
        detail: 'is not after `from`; allowed: a range of at least 1 ms, `from` inside and `to` outside',
      },
    ],
  },
  invalid_url: {
    detail: 'The address 10.0.0.7 is not public.',
    faults: [{ pointer: '/url', detail: 'The address 10.0.0.7 is not public.' }],
  },
  unauthorized: {
    detail: 'No API key was sent; send the header "Authorization: Bearer <key>".',
  },
  forbidden: { detail: 'Only an admin key may choose a record key; leave `key` out.' },
  not_found: { detail: 'No replay has this id; GET /v1/replays lists yours.' },
  key_taken: {
    detail: 'Another webhook has this key; change that one, or choose another key.',
    faults: [{ pointer: '/key', detail: 'belongs to another webhook' }],
  },
  illegal_state: {
    detail: 'The replay is COMPLETED; only one that is PAUSED, or is about to be, can be resumed.',
  },
  nothing_undone: { detail: 'Everything of the replay is delivered, or with another replay.' },
  body_too_large: { detail: 'The body may have at most 65,536 bytes.' },
  unsupported_media_type: {
    detail: 'Send the body as JSON with the header "Content-Type: application/json".',
  },
  internal: {
    detail: 'Try again in a moment; the request-id of this answer finds the reason in the log.',
  },
};
