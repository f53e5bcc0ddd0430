// Examples of the API's description: one value per named schema. Problems have theirs in example-problems.ts, X's errors
// in x/schemas.ts, what webhooks receive beside its schema.
// Invariant: each fits its schema, and is as the running API answers; a test holds them against it.

import type { Static } from 'typebox';
import { explainReason } from '../domain/proof.ts';
import type { DeadLetterAnswer, ReplayAnswer, TransitionAnswer } from './answers.ts';
import type { webhook } from './webhook-answers.ts';
import { shownGroup, shownGroupSummary } from './example-group.ts';
import { shownManifest } from './example-manifest.ts';
import { shownPlan } from './example-plan.ts';
import { X_EXAMPLES } from './x/examples.ts';

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
  ReplayRequest: { from: '2026-11-20T10:00:00Z', to: '2026-11-20T12:30:00Z', maxRate: 500 },
  Replay: shownReplay,
  ReplayPage: { items: [shownReplay], nextCursor: 'cmVwbGF5czo4ODI3MDUxMjk0ODQyODgwMDM' },
  SteeringReason: { reason: 'the receiver is under load' },
  LimitsChange: { maxRate: 200, reason: 'the receiver is under load' },
  LimitsOfChild: { maxRate: 50, reason: 'the receiver was mended' },
  DeadLetterPage: { items: [shownDeadLetter], nextCursor: null },
  TransitionPage: { items: [shownTransition], nextCursor: null },
  Plan: shownPlan,
  Manifest: shownManifest,
  ReplayGroupDraft: {
    from: '2026-11-20T10:00:00Z',
    to: '2026-11-20T12:30:00Z',
    webhookIds: ['882705129484288001', '882705129484288009'],
    maxRate: 500,
  },
  ReplayGroup: shownGroup,
  ReplayGroupSummaryPage: { items: [shownGroupSummary], nextCursor: null },
  ChallengeRequest: {},
  ChallengeResult: {
    passed: false,
    reason: 'wrong_response',
    explanation: explainReason('wrong_response', 'standard'),
    validity: {
      state: 'unproven',
      required: true,
      failures: 1,
      reason: 'wrong_response',
      checkedAt: '2026-11-20T08:00:04.120Z',
      nextCheckAt: '2026-11-20T08:01:04.120Z',
      checks: [{ at: '2026-11-20T08:00:04.120Z', reason: 'wrong_response' }],
    },
  },
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
  ...X_EXAMPLES,
};
