// The manifest over REST: of any state, in pages, of one's own replays; and the notifications of a webhook.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import { digestOf } from '../../../src/domain/identity.ts';
import { MinuteLedger } from '../../../src/domain/minute-ledger.ts';
import type { JobStore } from '../../../src/domain/store.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { fullCut, proposalOf } from '../../support/example.ts';
import { DAY_MS, FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

const MINUTES = 5;
const request = { instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 10 };
let api: ApiUnderTest;
let jobs: JobStore;
let webhookId: string;
beforeAll(async () => {
  api = await openApi();
  jobs = createJobStore(api.database.open({ poolSize: 2 }));
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  webhookId = String(body?.['id']);
});
afterAll(() => api.close());

async function requested(): Promise<string> {
  const range = { from: fromNow(-DAY_MS), to: fromNow(-60_000) };
  const { body } = await api.call('POST', `/v1/webhooks/${webhookId}/replays`, range);
  return String(body?.['id']);
}

/** Ended, with so many minutes in its ledger. */
async function ended(): Promise<string> {
  const id = await requested();
  const claim = await jobs.claim(request);
  if (claim?.job.id !== id) throw new Error('another one was claimed');
  await jobs.commit(claim.job.id, proposalOf('OFFSETS_RESOLVED', 1, 1), claim.lease);
  const ledger = new MinuteLedger();
  for (let minute = 0; minute < MINUTES; minute++) ledger.delivered(minute * 60_000, digestOf(`e-${minute}`));
  const write = { ...fullCut(9), minutes: ledger.takeTouched() };
  await jobs.commit(claim.job.id, proposalOf('DRAINED', 1, 0), claim.lease, write);
  return id;
}

const manifestOf = (id: string, query = '', headers = {}) =>
  api.call('GET', `/v1/replays/${id}/manifest${query}`, undefined, headers);
const minutesOf = (body: Record<string, unknown> | null) => body?.['minutes'] as Record<string, unknown>[];

describe('the manifest', () => {
  it('of a replay that has not begun is empty and not final', async () => {
    const id = await requested();
    const { status, body } = await manifestOf(id);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      replayId: id,
      state: 'OPEN',
      final: false,
      minutes: [],
      sources: [],
      gaps: [],
    });
    await api.call('POST', `/v1/replays/${id}/cancel`);
    expect((await manifestOf(id)).body).toMatchObject({ state: 'CANCELLED', final: true });
  });

  it('of an ended replay says what was read, delivered and missed', async () => {
    const id = await ended();
    const { body } = await manifestOf(id);
    expect(body).toMatchObject({
      ...{
        replayId: id,
        webhookId,
        state: 'COMPLETED',
        outcome: 'incomplete',
        final: true,
        nextCursor: null,
      },
      counts: { delivered: 1, matched: 2 },
      sources: [
        { source: 'dc1/delivery_log', site: 'dc1', partition: 3, start: '1', end: '9', evidence: null },
      ],
      gaps: [{ source: 'dc1/delivery_log', from: '1', to: '2', reason: 'retention', filledBy: null }],
    });
    expect(minutesOf(body)[1]).toEqual({
      ...{ minute: '1970-01-01T00:01:00.000Z', delivered: 1, deadLettered: 0, resent: false },
      deliveredDigest: Buffer.from(digestOf('e-1'), 'latin1').toString('hex'),
      deadLetteredDigest: '0'.repeat(64),
    });
  });

  it('comes in pages that make up the whole', async () => {
    const id = await ended();
    const all = minutesOf((await manifestOf(id)).body);
    expect(all).toHaveLength(MINUTES);
    const seen: unknown[] = [];
    let query = '?limit=2';
    for (let pages = 1; ; pages++) {
      const { body } = await manifestOf(id, query);
      expect(body).toMatchObject({ replayId: id, final: true });
      seen.push(...minutesOf(body));
      const next = body?.['nextCursor'] as string | null;
      if (next === null) {
        expect(pages).toBe(3);
        break;
      }
      query = `?limit=2&cursor=${next}`;
    }
    expect(seen).toEqual(all);
    const other = await ended();
    expect(problemOf(await manifestOf(other, query)).code).toBe('invalid_request');
    expect((await manifestOf(id, '?limit=10001')).status).toBe(400);
  });

  it('is its tenant’s alone', async () => {
    const id = await requested();
    const foreign = await manifestOf(id, '', { authorization: `Bearer ${FOREIGN_KEY}` });
    expect(problemOf(foreign)).toMatchObject({ status: 404, code: 'not_found' });
    expect((await manifestOf('1')).status).toBe(404);
    await api.call('POST', `/v1/replays/${id}/cancel`);
  });
});

describe('the notifications of a webhook', () => {
  it('are none unless it asks, and are replaced as a whole', async () => {
    const path = `/v1/webhooks/${webhookId}`;
    expect((await api.call('GET', path)).body).toMatchObject({ notifications: [] });
    const asked = { url: 'http://127.0.0.1:9/hook', notifications: ['replay.failed', 'replay.completed'] };
    const made = await api.call('POST', '/v1/webhooks', asked);
    expect(made).toMatchObject({ status: 201, body: { notifications: asked.notifications } });
    const own = `/v1/webhooks/${String(made.body?.['id'])}`;
    const changed = await api.call('PATCH', own, { notifications: ['replay.paused'] });
    expect(changed).toMatchObject({ status: 200, body: { notifications: ['replay.paused'], version: 2 } });
    expect((await api.call('GET', own)).body).toMatchObject({ notifications: ['replay.paused'] });
  });

  it.each([['replay.begun'], ['replay.paused', 'replay.paused']])('refuse %s', async (...notifications) => {
    const refused = await api.call('PATCH', `/v1/webhooks/${webhookId}`, { notifications });
    expect(refused.status).toBe(400);
    expect(problemOf(refused).errors?.[0]?.pointer).toMatch(/^\/notifications/);
  });
});
