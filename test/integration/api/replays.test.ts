import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DAY_MS,
  FOREIGN_KEY,
  fromNow,
  LOOKBACK_MS,
  openApi,
  problemOf,
  type ApiUnderTest,
} from './api-fixture.ts';

let api: ApiUnderTest;
let path: string;
let webhookId: string;
beforeAll(async () => {
  api = await openApi();
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  webhookId = String(body?.['id']);
  path = `/v1/webhooks/${webhookId}/replays`;
});
afterAll(() => api.close());

describe('requesting a replay', () => {
  it('answers 202 with its place and the job, and tells the pool', async () => {
    const nudges = api.nudges;
    const got = await api.call('POST', path, {
      from: fromNow(-DAY_MS),
      to: fromNow(-60_000).replace('Z', '+00:00'),
      maxRate: 20,
      scan: 'full',
    });
    expect(got.status).toBe(202);
    expect(got.body).toMatchObject({
      webhookId,
      state: 'OPEN',
      outcome: null,
      fence: 0,
      duplicateBound: 0,
      counts: { scanned: 0, delivered: 0, unanswered: 0 },
      cut: {},
      pins: [],
      gaps: [],
      rate: null,
      etaMs: null,
      waitingUntil: null,
      finishedAt: null,
      limits: { maxRate: 20, concurrency: null },
      scan: 'full',
      version: 1,
    });
    const place = `/v1/replays/${String(got.body?.['id'])}`;
    expect(got.headers.get('location')).toBe(place);
    expect(api.nudges).toBe(nudges + 1);
    expect(api.heard).toContain('job.requested');
    const shown = await api.call('GET', place);
    expect(shown.status).toBe(200);
    expect(shown.body).toEqual(got.body);
  });

  it('records who asked, as the first transition', async () => {
    const range = { from: fromNow(-2000), to: fromNow(-1000) };
    const { body } = await api.call('POST', path, range);
    const history = await api.call('GET', `/v1/replays/${String(body?.['id'])}/transitions`);
    expect(history.body).toEqual({
      items: [
        expect.objectContaining({
          seq: 1,
          type: 'REQUESTED',
          from: null,
          to: 'OPEN',
          by: 'the admin',
          fence: 0,
        }),
      ],
      nextCursor: null,
    });
    const [first] = history.body?.['items'] as { at: string; body: { spec: Record<string, unknown> } }[];
    expect(first?.at).toMatch(/Z$/);
    expect(first?.body.spec).toMatchObject({
      webhookId,
      key: webhookId,
      fromMs: Date.parse(range.from),
      toMs: Date.parse(range.to),
    });
  });

  it('takes a `to` that is a little ahead of our clock', async () => {
    expect((await api.call('POST', path, { from: fromNow(-1000), to: fromNow(2000) })).status).toBe(202);
  });
});

describe('a bad request for a replay stores nothing and says what to do', () => {
  const now = { from: fromNow(-60_000), to: fromNow(-1000) };
  it.each([
    ['no body', undefined, 'invalid_request', ['']],
    ['no times', {}, 'invalid_request', ['/from', '/to']],
    ['a malformed date', { ...now, from: '2026-02-30T00:00:00Z' }, 'invalid_range', ['/from']],
    ['a date without offset', { ...now, to: '2026-01-01T00:00:00' }, 'invalid_range', ['/to']],
    ['a number for a date', { ...now, from: 1 }, 'invalid_request', ['/from']],
    ['from = to', { from: now.from, to: now.from }, 'invalid_range', ['/to']],
    ['from > to', { from: now.to, to: now.from }, 'invalid_range', ['/to']],
    ['too old a range', { ...now, from: fromNow(-LOOKBACK_MS - 60_000) }, 'invalid_range', ['/from']],
    [
      'a range in the future',
      { from: fromNow(DAY_MS), to: fromNow(2 * DAY_MS) },
      'invalid_range',
      ['/from', '/to'],
    ],
    ['an end in the future', { ...now, to: fromNow(60_000) }, 'invalid_range', ['/to']],
    ['an unknown field', { ...now, form: 1 }, 'invalid_request', ['/form']],
    ['a rate of 0', { ...now, maxRate: 0 }, 'invalid_request', ['/maxRate']],
    ['a rate above the deployment’s', { ...now, maxRate: 2501 }, 'invalid_request', ['/maxRate']],
    ['a rate as text', { ...now, maxRate: '20' }, 'invalid_request', ['/maxRate']],
    ['a fraction', { ...now, concurrency: 1.5 }, 'invalid_request', ['/concurrency']],
    ['too many at once', { ...now, concurrency: 1025 }, 'invalid_request', ['/concurrency']],
    ['an unknown way to read', { ...now, read: 'both' }, 'invalid_request', ['/read']],
    ['an unknown scan', { ...now, scan: 'half' }, 'invalid_request', ['/scan']],
    ['a list', [now], 'invalid_request', ['']],
  ])('%s', async (_name, body, code, pointers) => {
    const [before, nudges] = [await api.stored(), api.nudges];
    const got = await api.call('POST', path, body);
    expect(got.status).toBe(400);
    const problem = problemOf(got);
    expect(problem).toMatchObject({ code, type: `/problems/${code}`, status: 400, retryable: false });
    expect(problem.errors?.map(({ pointer }) => pointer).sort()).toEqual(pointers);
    for (const { detail } of problem.errors ?? []) expect(detail.length).toBeGreaterThan(10);
    expect(await api.stored()).toBe(before);
    expect(api.nudges).toBe(nudges);
  });

  it.each(['0', '00', 'abc', '-1', '9223372036854775808', '1e3', '%20', '9'.repeat(300), "1'--"])(
    'unknown webhook %s',
    async (id) => {
      const before = await api.stored();
      const got = await api.call('POST', `/v1/webhooks/${id}/replays`, now);
      expect(got.status).toBe(404);
      expect(problemOf(got).code).toBe('not_found');
      expect(await api.stored()).toBe(before);
    },
  );
});

describe('looking at replays', () => {
  it('lists them, newest first, to their tenant alone', async () => {
    const ids: unknown[] = [];
    for (let n = 0; n < 3; n++) {
      const { body } = await api.call('POST', path, { from: fromNow(-60_000), to: fromNow(-1000) });
      ids.unshift(body?.['id']);
    }
    const { body } = await api.call('GET', '/v1/replays?limit=3');
    const shown = (body?.['items'] as { id: string }[]).map(({ id }) => id);
    // Ids of one millisecond differ in random bits only: the order of a list is that of the ids.
    expect(new Set(shown)).toEqual(new Set(ids));
    expect(shown).toEqual(shown.toSorted((a, b) => Number(BigInt(b) - BigInt(a))));

    const headers = { authorization: `Bearer ${FOREIGN_KEY}` };
    expect((await api.call('GET', '/v1/replays', undefined, headers)).body?.['items']).toEqual([]);
    for (const part of ['', '/transitions']) {
      const got = await api.call('GET', `/v1/replays/${String(ids[0])}${part}`, undefined, headers);
      expect(got.status).toBe(404);
    }
  });

  it('answers 404 to ids that do not exist', async () => {
    for (const id of ['1', 'abc', '9223372036854775808']) {
      expect((await api.call('GET', `/v1/replays/${id}`)).status).toBe(404);
      expect((await api.call('GET', `/v1/replays/${id}/transitions`)).status).toBe(404);
    }
  });
});
