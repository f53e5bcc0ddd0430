// Idempotency-Key: what is made, is made once, also by several instances, in a race and after a crash.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJobStore } from '../../../src/store/job-store.ts';
import { threadsRunning } from '../../support/database.ts';
import { FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest, type Got } from './api-fixture.ts';

let api: ApiUnderTest;
let other: ApiUnderTest;
let path: string;
const HOOK = { url: 'http://127.0.0.1:9/hook' };
const range = { from: fromNow(-60_000), to: fromNow(-1_000) };
beforeAll(async () => {
  api = await openApi(undefined, { poolSize: 8 });
  other = await openApi(undefined, { poolSize: 8, beside: api });
  const { body } = await api.call('POST', '/v1/webhooks', HOOK);
  path = `/v1/webhooks/${String(body?.['id'])}/replays`;
});
afterAll(async () => {
  await other.close();
  await api.close();
});

const keyed = (key: string, more: Record<string, string> = {}) => ({ 'idempotency-key': key, ...more });

async function count(table: string): Promise<number> {
  const [row] = await api.database.query<{ n: string }>(`SELECT COUNT(*) AS n FROM ${table}`);
  return Number(row?.n);
}

const isRepeat = (got: Got): boolean => got.headers.get('idempotency-replayed') === 'true';

describe('the same key with the same request', () => {
  it('gets the first answer again: status, body, Location, from any instance; nothing is made', async () => {
    const key = randomUUID();
    const first = await api.call('POST', path, range, keyed(key));
    expect(first.status).toBe(202);
    expect(isRepeat(first)).toBe(false);
    const [jobs, nudges, requested] = [await count('replay_jobs'), other.nudges, other.heard.length];
    for (const body of [range, { to: range.to, from: range.from }]) {
      const again = await other.call('POST', path, body, keyed(key));
      expect(again.status).toBe(202);
      expect(again.text).toBe(first.text);
      expect(again.headers.get('location')).toBe(first.headers.get('location'));
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
      expect(isRepeat(again)).toBe(true);
    }
    expect(await count('replay_jobs')).toBe(jobs);
    expect([other.nudges, other.heard.length]).toEqual([nudges, requested]);
  });

  it('is answered although it would be refused by now', async () => {
    const key = randomUUID();
    const { body } = await api.call('POST', '/v1/webhooks', HOOK);
    const itsPath = `/v1/webhooks/${String(body?.['id'])}/replays`;
    const first = await api.call('POST', itsPath, range, keyed(key));
    await api.call('POST', `/v1/replays/${String(first.body?.['id'])}/cancel`);
    expect((await api.call('DELETE', `/v1/webhooks/${String(body?.['id'])}`)).status).toBe(204);
    const again = await api.call('POST', itsPath, range, keyed(key));
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect((await api.call('POST', itsPath, range, keyed(randomUUID()))).status).toBe(404);
  });

  it('makes one webhook, and a repeat is not told the secret, which is kept nowhere else', async () => {
    const key = randomUUID();
    const first = await api.call('POST', '/v1/webhooks', HOOK, keyed(key));
    const secret = String(first.body?.['secret']);
    expect(secret).toMatch(/^whsec_/);
    const again = await other.call('POST', '/v1/webhooks', HOOK, keyed(key));
    expect([again.status, isRepeat(again)]).toEqual([201, true]);
    const { secret: _untold, ...shown } = first.body ?? {};
    expect(again.body).toEqual(shown);
    const rows = await api.database.query('SELECT * FROM idempotency_keys');
    expect(JSON.stringify(rows)).not.toContain(secret.slice(6));
  });

  it('means the same child of a replay for ever, also when another one could be made by now', async () => {
    const job = await api.call('POST', path, range);
    const id = String(job.body?.['id']);
    await api.call('POST', `/v1/replays/${id}/cancel`);
    const [key, late] = [randomUUID(), randomUUID()];
    const first = await api.call('POST', `/v1/replays/${id}/remainder`, undefined, keyed(key));
    expect([first.status, first.body?.['parentId']]).toEqual([202, id]);
    // Another key: the child that is there already is its answer, and is kept as that.
    const second = await other.call('POST', `/v1/replays/${id}/remainder`, {}, keyed(late));
    expect([second.status, isRepeat(second)]).toEqual([202, false]);
    for (const [once, { text }] of [
      [key, first],
      [late, second],
    ] as const) {
      const again = await other.call('POST', `/v1/replays/${id}/remainder`, {}, keyed(once));
      expect([again.text, isRepeat(again)]).toEqual([text, true]);
    }
    const wrong = await api.call('POST', `/v1/replays/${id}/dead-letters/replay`, {}, keyed(key));
    expect(problemOf(wrong).code).toBe('idempotency_mismatch');
  });
});

describe('the same key', () => {
  it('with another body, path or method is refused and makes nothing', async () => {
    const key = randomUUID();
    await api.call('POST', path, range, keyed(key));
    const before = await api.stored();
    for (const [place, body] of [
      [path, { ...range, maxRate: 5 }],
      [`${path}?x=1`, range],
      ['/v1/webhooks', HOOK],
    ] as const) {
      const got = await other.call('POST', place, body, keyed(key));
      expect(got.status, place).toBe(422);
      expect(problemOf(got)).toMatchObject({ code: 'idempotency_mismatch', retryable: false });
    }
    expect(await api.stored()).toBe(before);
  });

  it('of another tenant is another key', async () => {
    const key = randomUUID();
    await api.call('POST', '/v1/webhooks', HOOK, keyed(key));
    const headers = keyed(key, { authorization: `Bearer ${FOREIGN_KEY}` });
    const got = await api.call('POST', '/v1/webhooks', { ...HOOK, description: 'theirs' }, headers);
    expect([got.status, isRepeat(got)]).toEqual([201, false]);
  });

  it('after a refusal is a first one', async () => {
    const key = randomUUID();
    expect((await api.call('POST', path, { from: range.to, to: range.from }, keyed(key))).status).toBe(400);
    const taken = { ...HOOK, key: `k-${randomUUID()}` };
    await api.call('POST', '/v1/webhooks', taken);
    expect((await api.call('POST', '/v1/webhooks', taken, keyed(key))).status).toBe(409);
    expect((await api.call('POST', path, range, keyed(key))).status).toBe(202);
  });

  it('after it is over is a first one, and is pruned', async () => {
    const key = randomUUID();
    const first = await api.call('POST', path, range, keyed(key));
    const over = `UPDATE idempotency_keys SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE idem_key = ?`;
    await api.database.query(over, [key]);
    const again = await other.call('POST', path, { ...range, maxRate: 7 }, keyed(key));
    expect([again.status, isRepeat(again)]).toEqual([202, false]);
    expect(again.body?.['id']).not.toBe(first.body?.['id']);
    const jobs = createJobStore(api.database.open());
    expect(await jobs.pruneKeys(10)).toBe(0);
    await api.database.query(over, [key]);
    const keys = await count('idempotency_keys');
    expect(await jobs.pruneKeys(10)).toBe(1);
    expect(await count('idempotency_keys')).toBe(keys - 1);
  });

  it.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['of 256 characters', 'x'.repeat(256)],
    ['not of ASCII', 'schl\u00fcssel'],
  ])('%s is refused', async (_name, key) => {
    const before = await api.stored();
    const got = await api.call('POST', path, range, keyed(key));
    expect(got.status).toBe(400);
    expect(problemOf(got).errors).toEqual([
      { pointer: 'idempotency-key', detail: expect.stringContaining('1 to 255 visible') as string },
    ]);
    expect(await api.stored()).toBe(before);
  });
});

describe('at the same time', () => {
  it('50 requests with one key to two instances make one job', async () => {
    const key = randomUUID();
    const before = await count('replay_jobs');
    const asked = Array.from({ length: 50 }, (_, n) =>
      (n % 2 === 0 ? api : other).call('POST', path, range, keyed(key)),
    );
    const answers = await Promise.all(asked);
    expect(await count('replay_jobs')).toBe(before + 1);
    const made = answers.filter(({ status }) => status === 202);
    expect(made.filter((got) => !isRepeat(got))).toHaveLength(1);
    expect(new Set(made.map(({ text }) => text)).size).toBe(1);
    for (const got of answers.filter(({ status }) => status !== 202)) {
      expect(got.status, got.text).toBe(409);
      expect(problemOf(got)).toMatchObject({ code: 'idempotency_in_progress', retryable: true });
    }
    const last = await other.call('POST', path, range, keyed(key));
    expect([last.status, isRepeat(last), last.text]).toEqual([202, true, made[0]?.text]);
  });

  it('while the first runs, the others are told so at once; when it dies, nothing of it is there', async () => {
    const key = randomUUID();
    const jobs = await count('replay_jobs');
    // The webhook's row is what the first one waits for, with its key taken.
    const rogue = await api.database.connect();
    await rogue.query('BEGIN');
    await rogue.query('SELECT id FROM webhooks FOR UPDATE');
    const first = api.call('POST', path, range, keyed(key));
    const waiting = () => threadsRunning(api.database, '%from `webhooks` where%for update%');
    await expect.poll(waiting, { timeout: 5_000 }).toHaveLength(1);
    const second = await other.call('POST', path, range, keyed(key));
    expect([second.status, problemOf(second).code]).toEqual([409, 'idempotency_in_progress']);
    // As when its process dies: the server undoes what was not committed. This request goes on with a new transaction.
    const [thread] = await waiting();
    await rogue.query(`KILL ${String(thread)}`);
    await expect.poll(async () => (await waiting()).filter((id) => id !== thread)).toHaveLength(1);
    await rogue.query('ROLLBACK');
    expect((await first).status).toBe(202);
    expect(await count('replay_jobs')).toBe(jobs + 1);
    const again = await other.call('POST', path, range, keyed(key));
    expect([again.status, again.text]).toEqual([202, (await first).text]);
  });
});
