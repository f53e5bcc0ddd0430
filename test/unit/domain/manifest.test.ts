// The manifest as somebody else computes it (the vectors of the checker), and the bodies that are made from it.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bodyFor, MOST_EVENT_BYTES } from '../../../src/domain/completion-body.ts';
import type { CompletionEvent } from '../../../src/domain/completion-body.ts';
import { COMPLETION_TYPES, completionId, completionOf, refusalOf } from '../../../src/domain/completion.ts';
import type { EventContent } from '../../../src/domain/completion.ts';
import { digestOf } from '../../../src/domain/identity.ts';
import { asJobId, asSourceName } from '../../../src/domain/ids.ts';
import { JOB_STATES, NO_COUNTS } from '../../../src/domain/job.ts';
import { manifestOf, minuteOf } from '../../../src/domain/manifest.ts';
import type { ManifestJob, ManifestMinute } from '../../../src/domain/manifest.ts';
import { MinuteLedger } from '../../../src/domain/minute-ledger.ts';
import { JOB_SPEC } from '../../support/example.ts';
import { UNPROVEN } from '../../../src/domain/proof.ts';

interface Vectors {
  readonly digests: readonly { ids: readonly string[]; digest: string }[];
  readonly cases: readonly {
    name: string;
    events: readonly { id: string; time: string; dead?: true }[];
    pages: readonly { minutes?: ManifestMinute[]; data?: { minutes: ManifestMinute[] | null } }[];
  }[];
}
const FOLDER = new URL('../../../examples/manifest-check/', import.meta.url);
const vectors = JSON.parse(readFileSync(new URL('vectors.json', FOLDER), 'utf8')) as Vectors;

describe('the vectors of the manifest', () => {
  it.each(vectors.digests)('have the digest of $ids that the ledger computes', ({ ids, digest }) => {
    const ledger = new MinuteLedger();
    for (const id of ids) ledger.delivered(0, digestOf(id));
    expect(ledger.entries()[0]?.deliveredDigest ?? '0'.repeat(64)).toBe(digest);
  });

  it.each(vectors.cases)('have the minutes that the ledger makes: $name', ({ events, pages }) => {
    const ledger = new MinuteLedger();
    for (const { id, time, dead } of events) {
      if (dead) ledger.deadLettered(Date.parse(time), digestOf(id));
      else ledger.delivered(Date.parse(time), digestOf(id));
    }
    const made = ledger.entries().map(minuteOf);
    const listed = pages.flatMap((page) => page.data?.minutes ?? page.minutes ?? []);
    const first = made.filter(({ minute }) => listed.some((entry) => entry.minute === minute));
    expect(listed.map((entry) => ({ ...entry, resent: false }))).toEqual(first);
    expect(first.length > 0 || pages.some(({ data }) => data?.minutes === null) || events.length === 0).toBe(
      true,
    );
  });
});

const job: ManifestJob = {
  id: asJobId('7'),
  state: 'COMPLETED',
  version: 4,
  spec: JOB_SPEC,
  outcome: 'complete',
  pauseReason: null,
  failReason: null,
  pins: [],
  counts: { ...NO_COUNTS, evicted: 2, unknownBelowCut: 3 },
  duplicateBound: 10,
  reclaims: 1,
  gaps: [],
  createdAtMs: 0,
  updatedAtMs: 60_000,
};
const minutes = (count: number): ManifestMinute[] =>
  Array.from({ length: count }, (_, minute) =>
    minuteOf({
      minute,
      delivered: 1,
      deliveredDigest: 'a'.repeat(64),
      deadLettered: 0,
      deadLetteredDigest: '0'.repeat(64),
    }),
  );
const content = (some: Partial<EventContent>): EventContent => ({
  job,
  atMs: 60_000,
  minutes: minutes(2),
  minuteCount: 2,
  ...some,
});
const parsed = (of: EventContent): CompletionEvent =>
  JSON.parse(bodyFor('replay.completed', of, 'standard').toString()) as CompletionEvent;

describe('the body of a completion event', () => {
  it('is type, timestamp and the manifest as the API answers it', () => {
    const event = parsed(content({}));
    expect(event).toMatchObject({ type: 'replay.completed', timestamp: '1970-01-01T00:01:00.000Z' });
    const manifest = { ...manifestOf(job, []), minutes: minutes(2) };
    expect(event.data).toEqual({ ...manifest, gapCount: 0, minuteCount: 2 });
    expect(event.data).toMatchObject({ duplicateBound: 15, final: true, manifest: '/v1/replays/7/manifest' });
  });

  it('leaves out what would make it too long, minutes before gaps', () => {
    const many = bodyFor('replay.completed', content({ minutes: minutes(1_900) }), 'standard');
    expect(many.length).toBeLessThanOrEqual(MOST_EVENT_BYTES);
    expect(JSON.parse(many.toString())).toMatchObject({ data: { minutes: null, gaps: [], sources: [] } });
    const gap = { source: asSourceName('dc1/log'), from: 1, to: 2, reason: 'retention' } as const;
    const gaps = Array.from({ length: 5_000 }, () => gap);
    const bare = bodyFor('replay.completed', content({ job: { ...job, gaps } }), 'standard');
    expect(bare.length).toBeLessThanOrEqual(MOST_EVENT_BYTES);
    expect(JSON.parse(bare.toString())).toMatchObject({
      data: { minutes: null, gaps: null, sources: null, gapCount: 5_000, minuteCount: 2 },
    });
  });

  it('of a pause has no lists: they go on changing', () => {
    const paused = { ...job, state: 'PAUSED', pauseReason: 'requested', outcome: null } as const;
    const event = parsed(content({ job: paused, minutes: null, minuteCount: 0 }));
    expect(event.data).toMatchObject({ final: false, pauseReason: 'requested', minutes: null, gaps: null });
  });
});

describe('a step of a job', () => {
  it('is a completion event when it enters an end or a pause, and only then', () => {
    const told = JOB_STATES.map((state) => completionOf('ONGOING', state)).filter((type) => type !== null);
    expect(new Set(told)).toEqual(new Set(COMPLETION_TYPES));
    expect(completionOf('PAUSED', 'PAUSED')).toBeNull();
    expect(completionOf('PAUSED', 'CANCELLED')).toBe('replay.cancelled');
  });

  it('has an id that can stand in a header', () => {
    expect(completionId({ jobId: '9223372036854775807', seq: 12 })).toBe('reprise_9223372036854775807_12');
  });

  it('is told to a webhook that is there and asked for it', () => {
    const of = {
      url: 'http://x/',
      secrets: [],
      headers: [],
      profile: 'standard',
      validity: UNPROVEN,
    } as const;
    const webhook = { ...of, notifications: ['replay.failed'] } as const;
    expect(refusalOf(webhook, 'replay.failed')).toBeNull();
    expect(refusalOf(webhook, 'replay.paused')).toBe('not_wanted');
    expect(refusalOf(null, 'replay.failed')).toBe('webhook_deleted');
    const ofX = { ...of, profile: 'x', notifications: ['replay.failed', 'replay.paused'] } as const;
    expect(refusalOf(ofX, 'replay.failed')).toBeNull();
    expect(refusalOf(ofX, 'replay.paused')).toBe('not_wanted');
  });
});
