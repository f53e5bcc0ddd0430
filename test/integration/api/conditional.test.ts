// ETag and 304 for one replay and one webhook; If-Match for changes.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { Claim, JobStore } from '../../../src/domain/store.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { bareCut, BEAT } from '../../support/example.ts';
import { fromNow, openApi, problemOf, type ApiUnderTest, type Got } from './api-fixture.ts';

let api: ApiUnderTest;
let jobs: JobStore;
let webhook: string;
let replay: string;
let claim: Claim;
beforeAll(async () => {
  api = await openApi();
  jobs = createJobStore(api.database.open());
});
afterAll(() => api.close());

/** A replay that an instance runs. */
beforeEach(async () => {
  const made = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  webhook = String(made.headers.get('location'));
  const asked = await api.call('POST', `${webhook}/replays`, { from: fromNow(-60_000), to: fromNow(-1_000) });
  replay = String(asked.headers.get('location'));
  const claimed = await jobs.claim({ instance: asInstanceId('here'), leaseMs: 30_000, maxRepeat: 5 });
  if (!claimed) throw new Error('nothing was claimed');
  expect(replay).toContain(claimed.job.id);
  claim = claimed;
});

const etagOf = (got: Got): string => got.headers.get('etag') ?? '';
const look = (path: string, etag: string) => api.call('GET', path, undefined, { 'if-none-match': etag });

describe('If-None-Match', () => {
  it.each([
    ['a replay', () => replay],
    ['a webhook', () => webhook],
  ])('of %s that did not change: 304 without a body, kept by the client alone', async (_name, path) => {
    const got = await api.call('GET', path());
    const etag = etagOf(got);
    expect(etag).toMatch(/^"v\d+-[\w-]{22}"$/);
    expect(got.headers.get('cache-control')).toBe('private, no-cache');
    expect(got.headers.get('vary')).toBe('authorization');
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await look(path(), known);
      expect([again.status, again.text], known).toEqual([304, '']);
      expect(etagOf(again)).toBe(etag);
      expect(again.headers.get('cache-control')).toBe('private, no-cache');
    }
    for (const unknown of ['"other"', etag.slice(1, -1), '', `${etag.slice(0, -2)}"`]) {
      expect((await look(path(), unknown)).text, unknown).toBe(got.text);
    }
  });

  it('a replay that moves in any way that its answer shows is another one, though its version is not', async () => {
    const { lease, job } = claim;
    let etag = etagOf(await api.call('GET', replay));
    const version = (await api.call('GET', replay)).body?.['version'];
    const moves: [string, () => Promise<unknown>][] = [
      ['heartbeat', () => jobs.heartbeat(lease, 30_000, 1, BEAT)],
      ['its rate', () => jobs.heartbeat(lease, 30_000, 1, { ...BEAT, rate: 17.5 })],
      ['what it waits for', () => jobs.heartbeat(lease, 30_000, 1, { ...BEAT, waiting: 'broker' })],
      ['counts and cut', () => jobs.saveCut(lease, bareCut(5))],
      [
        'a gap',
        () =>
          api.database.query(`INSERT INTO job_gaps VALUES (?, 'a/b', 1, 2, 'retention', NULL)`, [
            BigInt(job.id),
          ]),
      ],
    ];
    for (const [name, move] of moves) {
      await move();
      const got = await look(replay, etag);
      expect(got.status, name).toBe(200);
      expect(got.body?.['version']).toBe(version);
      etag = etagOf(got);
      expect((await look(replay, etag)).status, name).toBe(304);
    }
  });

  it('is nothing to those who may not look', async () => {
    const headers = { 'if-none-match': '*', authorization: 'Bearer wrong' };
    const got = await api.call('GET', replay, undefined, headers);
    expect([got.status, got.headers.get('cache-control')]).toEqual([401, 'no-store']);
    expect((await look('/v1/replays/1', '*')).status).toBe(404);
  });
});

describe('If-Match', () => {
  const change = (path: string, body: object, etag: string) =>
    api.call('PATCH', path, body, { 'if-match': etag });

  it.each([
    ['a webhook', () => webhook, 200],
    ['a replay', () => replay, 202],
  ])('of %s: the first change wins, the second one is told to look again', async (_name, path, status) => {
    const etag = etagOf(await api.call('GET', path()));
    const first = await change(path(), { maxRate: 11 }, etag);
    expect(first.status, first.text).toBe(status);
    const second = await change(path(), { maxRate: 12 }, etag);
    expect([second.status, problemOf(second).code]).toEqual([412, 'precondition_failed']);
    expect(JSON.stringify((await api.call('GET', path())).body)).toContain('"maxRate":11');
    // The answer of a change is tagged too, and is what a GET shows then.
    const third = await change(path(), { maxRate: 13 }, `"x", ${etagOf(first)}`);
    expect(third.status).toBe(status);
    expect((await look(path(), etagOf(third))).status).toBe(304);
    expect((await change(path(), { maxRate: 14 }, '*')).status).toBe(status);
    for (const none of ['"x"', `W/${etagOf(third)}`, 'v1', '']) {
      expect((await change(path(), { maxRate: 15 }, none)).status, none).toBe(412);
    }
    expect(JSON.stringify((await api.call('GET', path())).body)).toContain('"maxRate":14');
  });

  it('of a running replay holds while only its progress moves', async () => {
    const etag = etagOf(await api.call('GET', replay));
    await jobs.saveCut(claim.lease, bareCut(5));
    expect((await look(replay, etag)).status).toBe(200);
    expect((await change(replay, { maxRate: 3 }, etag)).status).toBe(202);
    const paused = etagOf(await api.call('GET', replay));
    await api.call('POST', `${replay}/pause`);
    expect((await change(replay, { maxRate: 4 }, paused)).status).toBe(412);
  });

  it('of ten changes at once with one ETag one holds', async () => {
    for (const [path, status] of [
      [webhook, 200],
      [replay, 202],
    ] as const) {
      const etag = etagOf(await api.call('GET', path));
      const rates = Array.from({ length: 10 }, (_, n) => n + 20);
      const answers = await Promise.all(rates.map((maxRate) => change(path, { maxRate }, etag)));
      const codes = answers.map((got) => got.status).sort();
      expect(codes).toEqual([status, ...Array.from({ length: 9 }, () => 412)]);
    }
  });
});
