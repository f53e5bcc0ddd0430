// The list of replays by state, webhook and time; cursors that belong to their filters; Link on every list.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asWebhookId } from '../../../src/domain/ids.ts';
import { JOB_STATES, type JobState } from '../../../src/domain/job.ts';
import type { ReplayFilter } from '../../../src/domain/replay-store.ts';
import type { Database } from '../../../src/store/database.ts';
import { readReplays } from '../../../src/store/replay-list.ts';
import { sql } from 'kysely';
import { FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest, type Got } from './api-fixture.ts';

interface Job {
  readonly id: string;
  readonly webhookId: string;
  readonly state: string;
  readonly createdAt: string;
}

let api: ApiUnderTest;
let webhooks: string[];
let all: Job[];

const itemsOf = (got: Got): Job[] => got.body?.['items'] as Job[];

/** Two webhooks with 8 replays each, in turns: PAUSED, CANCELLED, OPEN, OPEN ... */
beforeAll(async () => {
  api = await openApi();
  webhooks = [];
  for (let n = 0; n < 2; n++) {
    const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
    webhooks.push(String(body?.['id']));
  }
  const range = { from: fromNow(-60_000), to: fromNow(-1_000) };
  for (let n = 0; n < 16; n++) {
    const { body } = await api.call('POST', `/v1/webhooks/${webhooks[n % 2] ?? ''}/replays`, range);
    const verb = [null, null, 'pause', 'cancel'][(n >> 1) % 4];
    if (verb) await api.call('POST', `/v1/replays/${String(body?.['id'])}/${verb}`);
  }
  all = itemsOf(await api.call('GET', '/v1/replays?limit=100'));
  expect(all).toHaveLength(16);
});
afterAll(() => api.close());

/** All pages by their Link alone. */
async function walk(first: string): Promise<{ jobs: Job[]; pages: number }> {
  const jobs: Job[] = [];
  let pages = 0;
  for (let next: string | null = first; next !== null; pages++) {
    const got: Got = await api.call('GET', next);
    expect(got.status, got.text).toBe(200);
    jobs.push(...itemsOf(got));
    next = /^<([^>]+)>; rel="next"$/.exec(got.headers.get('link') ?? '')?.[1] ?? null;
    expect(next === null).toBe(got.body?.['nextCursor'] === null);
  }
  return { jobs, pages };
}

const ids = (jobs: readonly Job[]): string[] => jobs.map(({ id }) => id);

describe('filters', () => {
  it.each([
    ['one state', 'state=PAUSED', ['PAUSED'], false],
    ['states given twice', 'state=PAUSED&state=CANCELLED', ['PAUSED', 'CANCELLED'], false],
    ['states with a comma', 'state=PAUSED,OPEN', ['PAUSED', 'OPEN'], false],
    ['a state that none has', 'state=FAILED', ['FAILED'], false],
    ['a webhook', '', JOB_STATES, true],
    ['states of a webhook', 'state=OPEN,CANCELLED', ['OPEN', 'CANCELLED'], true],
  ])('%s, on pages of any size', async (_name, query, states, ofOne) => {
    const webhook = ofOne ? webhooks[1] : undefined;
    const wanted = all.filter(
      (job) => states.includes(job.state as JobState) && (!webhook || job.webhookId === webhook),
    );
    const path = `/v1/replays?${query}${webhook ? `&webhookId=${webhook}` : ''}`;
    for (const limit of [1, 3, 100]) {
      const { jobs, pages } = await walk(`${path}&limit=${limit}`);
      expect(ids(jobs)).toEqual(ids(wanted));
      expect(pages).toBe(Math.max(1, Math.ceil(wanted.length / limit)));
    }
  });

  it('times are half-open, to the millisecond, and combine with the others', async () => {
    for (const [from, to] of [
      [15, 0],
      [11, 4],
      [6, 6],
    ] as const) {
      const [createdFrom, createdTo] = [all[from]?.createdAt ?? '', all[to]?.createdAt ?? ''];
      const wanted = all.filter(({ createdAt }) => createdAt >= createdFrom && createdAt < createdTo);
      const query =
        from === to ? `createdFrom=${createdFrom}` : `createdFrom=${createdFrom}&createdTo=${createdTo}`;
      const expected = from === to ? all.filter(({ createdAt }) => createdAt >= createdFrom) : wanted;
      expect(ids((await walk(`/v1/replays?limit=2&${query}`)).jobs)).toEqual(ids(expected));
      const both = await walk(`/v1/replays?limit=2&${query}&state=OPEN&webhookId=${webhooks[0] ?? ''}`);
      const open = expected.filter(({ state, webhookId }) => state === 'OPEN' && webhookId === webhooks[0]);
      expect(ids(both.jobs)).toEqual(ids(open));
    }
    const far = await api.call('GET', '/v1/replays?createdFrom=9999-12-31T23:59:59Z');
    expect(itemsOf(far)).toEqual([]);
    const early = await api.call('GET', '/v1/replays?limit=100&createdFrom=1970-01-01T00:00:00Z');
    expect(itemsOf(early)).toHaveLength(16);
  });

  it('show nothing of another tenant', async () => {
    const headers = { authorization: `Bearer ${FOREIGN_KEY}` };
    for (const query of [
      `webhookId=${webhooks[0] ?? ''}`,
      `state=OPEN&webhookId=${webhooks[0] ?? ''}`,
      'state=OPEN',
    ]) {
      const got = await api.call('GET', `/v1/replays?${query}`, undefined, headers);
      expect(got.body).toEqual({ items: [], nextCursor: null });
    }
  });

  it.each([
    ['state=open', 'state', 'OPEN, '],
    ['state=', 'state', 'OPEN, '],
    ['state=OPEN,NONE', 'state', 'OPEN, '],
    ['webhookId=abc', 'webhookId', 'decimal id'],
    ['webhookId=9223372036854775808', 'webhookId', 'decimal id'],
    ['createdFrom=yesterday', 'createdFrom', 'RFC 3339'],
    ['createdTo=2026-02-30T00:00:00Z', 'createdTo', 'RFC 3339'],
    ['createdFrom=2026-01-02T00:00:00Z&createdTo=2026-01-02T00:00:00Z', 'createdTo', 'later'],
    ['states=OPEN', 'states', 'state, webhookId'],
    ['webhookId=1&webhookId=2', 'webhookId', 'decimal id'],
  ])('%s is refused', async (query, pointer, allowed) => {
    const got = await api.call('GET', `/v1/replays?${query}`);
    expect(got.status).toBe(400);
    expect(problemOf(got)).toMatchObject({ code: 'invalid_request' });
    expect(problemOf(got).errors).toContainEqual({
      pointer,
      detail: expect.stringContaining(allowed) as string,
    });
  });
});

describe('a cursor', () => {
  it('belongs to its filters, in whatever order they were written', async () => {
    const got = await api.call('GET', '/v1/replays?limit=1&state=OPEN,PAUSED');
    const cursor = String(got.body?.['nextCursor']);
    const same = await api.call('GET', `/v1/replays?limit=1&state=PAUSED&state=OPEN&cursor=${cursor}`);
    expect(same.status).toBe(200);
    for (const query of ['', 'state=OPEN', `state=OPEN,PAUSED&webhookId=${webhooks[0] ?? ''}`]) {
      const other = await api.call('GET', `/v1/replays?${query}&cursor=${cursor}`);
      expect([other.status, problemOf(other).errors?.[0]?.pointer], query).toEqual([400, 'cursor']);
    }
    const plain = await api.call('GET', '/v1/replays?limit=1');
    const wrong = await api.call(
      'GET',
      `/v1/replays?state=OPEN&cursor=${String(plain.body?.['nextCursor'])}`,
    );
    expect(wrong.status).toBe(400);
  });
});

it('every list links to its next page', async () => {
  const id = String(all[0]?.id);
  await api.call('POST', `/v1/replays/${id}/pause`);
  await api.database.query(
    `INSERT INTO dead_letters VALUES (?, 's/t', 0, 5, 'e', 1, 'http_410', 410, 1, 'open', NULL),
       (?, 's/t', 0, 6, 'e', 1, 'http_410', 410, 1, 'open', NULL)`,
    [BigInt(id), BigInt(id)],
  );
  for (const path of [
    '/v1/webhooks',
    '/v1/replays',
    `/v1/replays/${id}/transitions`,
    `/v1/replays/${id}/dead-letters`,
  ]) {
    const first = await api.call('GET', `${path}?limit=1`);
    const link = first.headers.get('link') ?? '';
    expect(link, path).toMatch(/^<\/v1\/[^>?]+\?limit=1&cursor=[\w-]+>; rel="next"$/);
    const next = await api.call('GET', link.slice(1, link.indexOf('>')));
    expect([next.status, itemsOf(next).length], path).toEqual([200, 1]);
    expect(itemsOf(next)).not.toEqual(itemsOf(first));
  }
  expect((await api.call('GET', '/v1/webhooks?limit=100')).headers.get('link')).toBeNull();
});

describe('among thousands of replays', () => {
  const OTHERS = 3_000;
  let db: Database;
  beforeAll(async () => {
    db = api.database.open();
    // Of the same tenant and webhook, older, and ended: what every filter has to skip.
    const columns = await api.database.query<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE()
       AND table_name = 'replay_jobs' AND generation_expression IS NULL OR generation_expression = ''
       AND table_schema = DATABASE() AND table_name = 'replay_jobs' ORDER BY ordinal_position`,
    );
    const names = columns.map(({ name }) => name);
    const ended = all.find(({ state }) => state === 'CANCELLED')?.id ?? '';
    const values = names.map((name) => (name === 'id' ? 'seq.n + 1000' : name)).join(', ');
    await api.database.query(
      `INSERT INTO replay_jobs (${names.join(', ')}) WITH RECURSIVE seq AS
         (SELECT 1 AS n UNION ALL SELECT n + 1 FROM seq WHERE n < 1000) SELECT ${values} FROM replay_jobs, seq WHERE id = ?`,
      [BigInt(ended)],
    );
    for (let times = 1; times < OTHERS / 1000; times++) {
      const moved = names.map((name) => (name === 'id' ? `id + ${times * 1000}` : name)).join(', ');
      await api.database.query(
        `INSERT INTO replay_jobs (${names.join(', ')}) SELECT ${moved} FROM replay_jobs WHERE id <= 2000`,
      );
    }
    await api.database.query('ANALYZE TABLE replay_jobs');
  }, 60_000);

  const NONE: ReplayFilter = { states: [], webhookId: null, createdFromMs: null, createdToMs: null };
  it.each([
    ['no filter', () => NONE],
    ['a state that few have', () => ({ ...NONE, states: ['PAUSED'] as const })],
    ['all states', () => ({ ...NONE, states: JOB_STATES })],
    ['a webhook', () => ({ ...NONE, webhookId: asWebhookId(webhooks[0] ?? '') })],
    [
      'a state of a webhook',
      () => ({ ...NONE, states: ['OPEN'] as const, webhookId: asWebhookId(webhooks[1] ?? '') }),
    ],
    ['an old time', () => ({ ...NONE, createdToMs: Date.UTC(2020, 0, 2) })],
    ['a time of now', () => ({ ...NONE, createdFromMs: Date.now() - 600_000, states: ['OPEN'] as const })],
  ])('%s reads a page of rows, not the table', async (_name, filter) => {
    const read = await db.sessions.connection().execute(async (session) => {
      const before = await handlerReads(session);
      await readReplays(session, api.tenant, { limit: 5, cursor: null }, filter());
      return (await handlerReads(session)) - before;
    });
    // 7 states x 6 index entries, their rows, the sort of the derived table, and what reading the status itself costs.
    expect(read).toBeLessThan(800);
  });

  async function handlerReads(session: Database['sessions']): Promise<number> {
    const { rows } = await sql<{ Value: string }>`SHOW SESSION STATUS LIKE 'Handler_read_%'`.execute(session);
    return rows.reduce((sum, row) => sum + Number(row.Value), 0);
  }
});
