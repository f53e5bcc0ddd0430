// The manifest that the API's description shows, of a replay that came to its end; completion events show it too.

import { createHash } from 'node:crypto';
import { asSourceName } from '../domain/ids.ts';
import { manifestPath, type Manifest } from '../domain/manifest.ts';

const REPLAY_ID = '882705129484288003';
const SOURCE = asSourceName('dc1/delivery_log');
const NOTHING = '0'.repeat(64);

/** Of a set with one event. */
const digestOf = (id: string): string => createHash('sha256').update(id).digest('hex');

export const shownManifest: Manifest & { readonly nextCursor: string | null } = {
  replayId: REPLAY_ID,
  webhookId: '882705129484288001',
  kind: 'range',
  parentId: null,
  state: 'COMPLETED',
  outcome: 'complete',
  pauseReason: null,
  failReason: null,
  final: true,
  from: '2026-11-20T10:00:00.000Z',
  to: '2026-11-20T12:30:00.000Z',
  identity: 'value',
  order: 'any',
  counts: {
    scanned: 184_000,
    matched: 3,
    duplicates: 1,
    filtered: 0,
    tombstones: 0,
    delivered: 2,
    deadLettered: 0,
    unanswered: 0,
    maybeRepeated: 0,
    evicted: 0,
    unknownBelowCut: 0,
    siteSwitches: 0,
  },
  reclaims: 0,
  duplicateBound: 0,
  disorderMs: 1200,
  version: 9,
  createdAt: '2026-11-20T13:00:00.000Z',
  updatedAt: '2026-11-20T13:01:02.123Z',
  manifest: manifestPath(REPLAY_ID),
  sources: [
    {
      source: SOURCE,
      site: 'dc1',
      topic: 'delivery_log',
      partition: 3,
      start: '71020511',
      end: '71204511',
      copyOf: null,
      evidence: null,
      left: false,
    },
  ],
  gaps: [],
  minutes: ['evt_2ZfQ8pR1', 'evt_2ZfQ8pR2'].map((id, index) => ({
    minute: `2026-11-20T10:0${index}:00.000Z`,
    delivered: 1,
    deliveredDigest: digestOf(id),
    deadLettered: 0,
    deadLetteredDigest: NOTHING,
    resent: false,
  })),
  nextCursor: null,
};
