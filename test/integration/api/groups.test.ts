// Replay groups over REST: what is asked for, what is refused, how a group is shown, and steering all of it. No pool
// runs here, so the store grants at once what nobody owns.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

const PATH = '/v1/replay-groups';
const COUNT = 5;
let api: ApiUnderTest;
let webhooks: readonly string[];
const range = { from: fromNow(-DAY_MS), to: fromNow(-60_000) };
const as = (key: string) => ({ authorization: `Bearer ${key}` });

beforeAll(async () => {
  api = await openApi();
  const made: string[] = [];
  for (let n = 0; n < COUNT; n++) made.push(await webhook());
  webhooks = made;
});
afterAll(() => api.close());

async function webhook(headers: Record<string, string> = {}): Promise<string> {
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' }, headers);
  return String(body?.['id']);
}

interface Group extends Record<string, unknown> {
  readonly id: string;
}

async function requested(more: object = { webhookIds: webhooks }): Promise<Group> {
  const { status, body, text } = await api.call('POST', PATH, { ...range, ...more });
  expect(status, text).toBe(202);
  return body as Group;
}

const stored = async (): Promise<string> =>
  (await api.stored()) + (await api.call('GET', `${PATH}?limit=100`)).text;

describe('asking for a group', () => {
  it('makes one group per Idempotency-Key, and none of it for a refused request', async () => {
    const key = { 'idempotency-key': `group-${webhooks[0] ?? ''}` };
    const bad = await api.call('POST', PATH, { ...range, webhookIds: ['1'] }, key);
    expect(bad.status, bad.text).toBe(400);
    const first = await api.call('POST', PATH, { ...range, webhookIds: webhooks }, key);
    expect(first.status, first.text).toBe(202);
    const again = await api.call('POST', PATH, { ...range, webhookIds: webhooks }, key);
    expect(again.status, again.text).toBe(202);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.body).toMatchObject({ id: first.body?.['id'], state: 'creating', pending: COUNT });
    const { body } = await api.call('GET', `${PATH}/${String(first.body?.['id'])}/replays`);
    expect(body?.['items']).toHaveLength(COUNT);
  });

  it('makes a replay for each webhook named, tells where it is, and tells the pool', async () => {
    const before = api.nudges;
    const asked = {
      ...range,
      webhookIds: webhooks,
      maxRate: 7,
      concurrency: 2,
      order: 'strict',
      scan: 'full',
    };
    const got = await api.call('POST', PATH, asked);
    expect(got.status, got.text).toBe(202);
    const { id } = got.body as Group;
    expect(got.headers.get('location')).toBe(`${PATH}/${id}`);
    expect(got.body).toMatchObject({
      ...{ state: 'live', all: false, webhooks: COUNT, by: 'the admin', ...range, pending: 0 },
      ...{ jobs: { OPEN: COUNT, STARTED: 0, COMPLETED: 0 }, limits: { maxRate: 7, concurrency: 2 } },
      ...{ counts: { delivered: 0, deadLettered: 0 }, progress: { share: 0, rate: 0, etaMs: null } },
      ...{ refused: [], refusedTotal: 0, steering: null },
    });
    expect(api.nudges).toBeGreaterThan(before);
    expect(api.heard).toContain('group.requested');
    const { body } = await api.call('GET', `${PATH}/${id}/replays`);
    const items = body?.['items'] as Record<string, unknown>[];
    expect(items.map(({ webhookId }) => webhookId).toSorted()).toEqual(webhooks.toSorted());
    for (const item of items) {
      expect(item).toMatchObject({ groupId: id, kind: 'range', order: 'strict', scan: 'full' });
      expect(item).toMatchObject({ ...range, limits: { maxRate: 7, concurrency: 2 } });
    }
    expect((await api.call('GET', `${PATH}/${id}`)).body).toEqual(got.body);
  });

  it('takes every webhook of the tenant with `all`, and one that is named twice once', async () => {
    await webhook(as(FOREIGN_KEY));
    expect(await requested({ all: true })).toMatchObject({
      all: true,
      webhooks: COUNT,
      jobs: { OPEN: COUNT },
    });
    const [first] = webhooks;
    expect(await requested({ webhookIds: [first, first, first] })).toMatchObject({ webhooks: 1 });
  });

  it('refuses the whole with a pointer to each webhook that the tenant does not have, and stores nothing', async () => {
    const foreign = await webhook(as(FOREIGN_KEY));
    const before = await stored();
    for (const strange of [foreign, '1', 'x', '-1', '01', '9223372036854775808']) {
      const got = await api.call('POST', PATH, { ...range, webhookIds: [webhooks[0], strange, webhooks[1]] });
      expect(got.status, strange).toBe(400);
      expect(problemOf(got).errors?.map(({ pointer }) => pointer)).toEqual(['/webhookIds/1']);
    }
    expect(await stored()).toBe(before);
  });

  it.each([
    ['nobody', {}, '/webhookIds'],
    ['both', { webhookIds: ['1'], all: true }, '/webhookIds'],
    ['an empty list', { webhookIds: [] }, '/webhookIds'],
    ['too many', { webhookIds: Array.from({ length: 10_001 }, (_, n) => String(n)) }, '/webhookIds'],
    ['all: false', { all: false }, '/all'],
    ['a number', { webhookIds: [7] }, '/webhookIds/0'],
    ['an unknown field', { all: true, webhooks: [] }, '/webhooks'],
    ['a rate beyond the deployment’s', { all: true, maxRate: 1e9 }, '/maxRate'],
    ['a range that ends before it begins', { all: true, to: fromNow(-2 * DAY_MS) }, '/to'],
  ])('refuses %s', async (_what, more, pointer) => {
    const before = await stored();
    const got = await api.call('POST', PATH, { ...range, ...more });
    expect(got.status, got.text).toBe(400);
    expect(problemOf(got).errors?.map((fault) => fault.pointer)).toContain(pointer);
    expect(await stored()).toBe(before);
  });

  it('takes a body with as many webhooks as a group may have, and says so when there is none to take', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => String(9_000_000_000_000_000_000n + BigInt(n)));
    const got = await api.call('POST', PATH, { ...range, webhookIds: many });
    expect(got.status).toBe(400);
    expect(problemOf(got).errors).toHaveLength(20);
    const empty = await openApi();
    const none = await empty.call('POST', PATH, { ...range, all: true });
    expect(problemOf(none).errors).toEqual([{ pointer: '/all', detail: 'there is no webhook' }]);
    await empty.close();
  });
});

it('lists groups newest first, page by page, and the replays of each', async () => {
  const ids = [(await requested()).id, (await requested()).id, (await requested()).id].toReversed();
  const { body } = await api.call('GET', `${PATH}?limit=2`);
  const next = await api.call('GET', `${PATH}?limit=1&cursor=${String(body?.['nextCursor'])}`);
  const shown = [...(body?.['items'] as Group[]), ...(next.body?.['items'] as Group[])];
  expect(shown.map(({ id }) => id)).toEqual(ids);
  const seen: unknown[] = [];
  let cursor: unknown = '';
  do {
    const query = cursor === '' ? '' : `&cursor=${String(cursor)}`;
    const page = await api.call('GET', `${PATH}/${ids[0]}/replays?limit=2${query}`);
    expect(page.status).toBe(200);
    seen.push(...(page.body?.['items'] as Group[]).map(({ webhookId }) => webhookId));
    cursor = page.body?.['nextCursor'];
  } while (cursor !== null);
  expect(seen.toSorted()).toEqual(webhooks.toSorted());
  const foreign = await api.call('GET', `${PATH}/${ids[1]}/replays?limit=2`);
  const wrong = await api.call(
    'GET',
    `${PATH}/${ids[0]}/replays?cursor=${String(foreign.body?.['nextCursor'])}`,
  );
  expect(wrong.status).toBe(400);
});

describe('steering a group', () => {
  let path: string;
  beforeEach(async () => {
    path = `${PATH}/${(await requested()).id}`;
  });

  it('pauses, resumes and cancels all of its replays, and says who, why and how many', async () => {
    const replays = await api.call('GET', `${path}/replays`);
    const [first] = replays.body?.['items'] as Group[];
    await api.call('POST', `/v1/replays/${String(first?.id)}/cancel`);
    const paused = await api.call('POST', `${path}/pause`, { reason: 'their deploy' });
    expect(paused).toMatchObject({ status: 202, body: { state: 'live', jobs: { PAUSED: 4, CANCELLED: 1 } } });
    expect(paused.body?.['steering']).toMatchObject({
      ...{ verb: 'pause', by: 'the admin', reason: 'their deploy', steered: 4, notPossible: 1, done: true },
    });
    const again = await api.call('POST', `${path}/pause`);
    expect(again).toMatchObject({ status: 202, body: { steering: { steered: 0, notPossible: 5 } } });
    const resumed = await api.call('POST', `${path}/resume`);
    expect(resumed).toMatchObject({ status: 202, body: { jobs: { OPEN: 4, CANCELLED: 1 } } });
    const cancelled = await api.call('POST', `${path}/cancel`, { reason: 'wrong range' });
    expect(cancelled).toMatchObject({
      body: { state: 'ended', jobs: { CANCELLED: 5 }, progress: { share: 1 } },
    });
    const [, other] = replays.body?.['items'] as Group[];
    const { body } = await api.call('GET', `/v1/replays/${String(other?.id)}/transitions`);
    const steps = body?.['items'] as Record<string, unknown>[];
    expect(steps.find(({ type }) => type === 'PAUSE_REQUESTED')).toMatchObject({
      ...{ by: 'the admin', why: 'their deploy' },
    });
  });

  it('does not know foreign or unknown groups, and refuses unknown fields', async () => {
    const before = await api.call('GET', path);
    for (const verb of ['pause', 'resume', 'cancel']) {
      expect((await api.call('POST', `${path}/${verb}`, {}, as(FOREIGN_KEY))).status).toBe(404);
      expect((await api.call('POST', `${PATH}/1/${verb}`)).status).toBe(404);
      expect((await api.call('POST', `${path}/${verb}`, { why: 'x' })).status).toBe(400);
    }
    for (const foreign of [path, `${path}/replays`]) {
      expect((await api.call('GET', foreign, undefined, as(FOREIGN_KEY))).status).toBe(404);
    }
    expect((await api.call('GET', `${PATH}/x`)).status).toBe(404);
    expect((await api.call('GET', path)).body).toEqual(before.body);
  });

  it('leaves a remainder of one of its replays out: a group has one replay per webhook', async () => {
    await api.call('POST', `${path}/cancel`);
    const { body } = await api.call('GET', `${path}/replays?limit=1`);
    const [first] = body?.['items'] as Group[];
    const made = await api.call('POST', `/v1/replays/${String(first?.id)}/remainder`);
    expect(made).toMatchObject({ status: 202, body: { groupId: null, parentId: first?.id } });
    expect((await api.call('GET', path)).body).toMatchObject({ jobs: { CANCELLED: COUNT, OPEN: 0 } });
  });
});
