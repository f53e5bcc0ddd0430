// The plan that the API's description shows.

import type { PlanAnswer } from './plan-answers.ts';

export const shownPlan: PlanAnswer = {
  id: '882705129484288005',
  webhookId: '882705129484288001',
  replayId: null,
  from: '2026-11-20T10:00:00.000Z',
  to: '2026-11-20T12:30:00.000Z',
  order: 'any',
  scan: 'bounded',
  read: 'failover',
  limits: { maxRate: 500, concurrency: null },
  sites: ['dc1'],
  partition: 3,
  sources: [
    {
      source: 'dc1/delivery_log',
      site: 'dc1',
      topic: 'delivery_log',
      partition: 3,
      start: '71020511',
      end: '71391077',
      records: 370_566,
      copyOf: null,
    },
  ],
  records: 370_566,
  maxRecords: 370_566,
  estimatedBytes: 148_226_400,
  eta: { leastMs: 1236, mostMs: 741_132 },
  endsPinnedAt: '2026-11-20T12:59:00.000Z',
  warnings: [
    {
      code: 'replay_live',
      detail: 'Replay 882705129484288003 of this webhook has not ended; they run one after the other.',
      site: null,
      source: null,
      replayId: '882705129484288003',
    },
  ],
  createdAt: '2026-11-20T12:59:00.000Z',
  expiresAt: '2026-11-20T13:59:00.000Z',
};
