// Pause, resume, cancel and new limits, as requests that are recorded with who and why. No pool runs here, so
// the store grants at once what nobody owns.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, fromNow, openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

let api: ApiUnderTest;
let webhookId: string;
let path: string;
beforeAll(async () => {
  api = await openApi();
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  webhookId = String(body?.['id']);
});
afterAll(() => api.close());
beforeEach(async () => {
  const range = { from: fromNow(-DAY_MS), to: fromNow(-60_000) };
  const { body } = await api.call('POST', `/v1/webhooks/${webhookId}/replays`, range);
  path = `/v1/replays/${String(body?.['id'])}`;
});

async function history(): Promise<[string, string | null, string | null][]> {
  const { body } = await api.call('GET', `${path}/transitions`);
  const items = body?.['items'] as { type: string; by: string | null; why: string | null }[];
  return items.map(({ type, by, why }) => [type, by, why]);
}

describe('steering a replay that nobody owns', () => {
  it('pauses, resumes and cancels it at once, and writes down who and why', async () => {
    const paused = await api.call('POST', `${path}/pause`, { reason: 'their deploy' });
    expect(paused).toMatchObject({ status: 202, body: { state: 'PAUSED', pauseReason: 'requested' } });
    expect(await api.call('POST', `${path}/resume`)).toMatchObject({ status: 202, body: { state: 'OPEN' } });
    const cancelled = await api.call('POST', `${path}/cancel`, { reason: 'wrong range' });
    expect(cancelled).toMatchObject({ status: 202, body: { state: 'CANCELLED' } });
    expect(await history()).toEqual([
      ['REQUESTED', 'the admin', null],
      ['PAUSE_REQUESTED', 'the admin', 'their deploy'],
      ['PAUSED', null, null],
      ['RESUME_REQUESTED', 'the admin', ''],
      ['RESUMED', null, null],
      ['CANCEL_REQUESTED', 'the admin', 'wrong range'],
      ['CANCELLED', null, null],
    ]);
  });

  it('changes one limit and keeps the other', async () => {
    await api.call('PATCH', path, { concurrency: 4 });
    const changed = await api.call('PATCH', path, { maxRate: 10, reason: 'gently' });
    expect(changed).toMatchObject({ status: 202, body: { limits: { maxRate: 10, concurrency: 4 } } });
    const freed = await api.call('PATCH', path, { maxRate: null });
    expect(freed.body).toMatchObject({ limits: { maxRate: null, concurrency: 4 } });
  });

  it('loses none of two changes at once', async () => {
    for (let n = 1; n <= 10; n++) {
      await Promise.all([
        api.call('PATCH', path, { maxRate: n }),
        api.call('PATCH', path, { concurrency: n }),
      ]);
      const { body } = await api.call('GET', path);
      expect(body).toMatchObject({ limits: { maxRate: n, concurrency: n } });
    }
  });

  it.each(['pause', 'resume', 'cancel'])(
    'answers 409 to %s where it is not possible, and says when it is',
    async (verb) => {
      if (verb !== 'resume') await api.call('POST', `${path}/cancel`);
      const before = await history();
      const refused = await api.call('POST', `${path}/${verb}`);
      expect(refused.status).toBe(409);
      expect(problemOf(refused).detail).toMatch(/^The replay is (OPEN|CANCELLED); only one that /);
      expect(await history()).toEqual(before);
    },
  );

  it('refuses limits beyond the deployment, unknown fields and an empty change, and stores nothing', async () => {
    const before = await history();
    for (const body of [{ maxRate: 10_000_000 }, { maxRate: 0 }, { rate: 5 }, {}, { concurrency: 1.5 }]) {
      expect((await api.call('PATCH', path, body)).status).toBe(400);
    }
    expect((await api.call('POST', `${path}/pause`, { why: 'x' })).status).toBe(400);
    expect((await api.call('POST', `${path}/pause`, 'null')).status).toBe(400);
    expect(await history()).toEqual(before);
  });

  it('does not know foreign or unknown ids', async () => {
    for (const verb of ['pause', 'resume', 'cancel']) {
      expect((await api.call('POST', `/v1/replays/1/${verb}`)).status).toBe(404);
    }
    expect((await api.call('PATCH', '/v1/replays/1', { maxRate: 1 })).status).toBe(404);
  });
});
