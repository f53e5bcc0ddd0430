// The replay group that the API's description shows.

import type { GroupAnswer, GroupSummaryAnswer } from './group-answers.ts';

export const shownGroupSummary: GroupSummaryAnswer = {
  id: '882705129484288006',
  from: '2026-11-20T10:00:00.000Z',
  to: '2026-11-20T12:30:00.000Z',
  all: false,
  webhooks: 200,
  by: 'admin',
  createdAt: '2026-11-20T13:00:00.000Z',
  limits: { maxRate: 500, concurrency: null },
  steering: null,
};

export const shownGroup: GroupAnswer = {
  ...shownGroupSummary,
  state: 'live',
  jobs: { OPEN: 71, STARTED: 0, ONGOING: 128, PAUSED: 0, COMPLETED: 0, CANCELLED: 0, FAILED: 0 },
  pending: 0,
  counts: {
    scanned: 1_840_000,
    matched: 92_100,
    duplicates: 40,
    filtered: 0,
    tombstones: 0,
    delivered: 91_040,
    deadLettered: 20,
    unanswered: 10,
    maybeRepeated: 0,
    evicted: 0,
    unknownBelowCut: 0,
    siteSwitches: 0,
  },
  progress: { share: 0.31, rate: 12_400, etaMs: null },
  refused: [
    {
      webhookId: '882705129484288009',
      code: 'webhook_deleted',
      detail: 'The webhook was removed before its replay was made.',
    },
  ],
  refusedTotal: 1,
};
