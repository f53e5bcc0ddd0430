import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FOREIGN_KEY, fromNow, openApi, problemOf, USER_KEY, type ApiUnderTest } from './api-fixture.ts';

const URL_OK = 'http://127.0.0.1:9/hook';
const RFC3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let api: ApiUnderTest;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

async function register(body: object = {}): Promise<Record<string, unknown>> {
  const { status, body: webhook } = await api.call('POST', '/v1/webhooks', { url: URL_OK, ...body });
  expect(status).toBe(201);
  return webhook ?? {};
}

describe('registering a webhook', () => {
  it('answers 201 with its place, its id as key, and its secret once', async () => {
    const made = await api.call('POST', '/v1/webhooks', { url: URL_OK, description: 'ünï', maxRate: 20 });
    expect(made.status).toBe(201);
    const webhook = made.body ?? {};
    expect(webhook).toMatchObject({ url: URL_OK, description: 'ünï', maxRate: 20, concurrency: null });
    expect(webhook['id']).toMatch(/^[1-9]\d{0,18}$/);
    expect(webhook['key']).toBe(webhook['id']);
    expect(webhook['secret']).toMatch(/^whsec_[A-Za-z0-9+/]{32,}=*$/);
    expect(webhook['createdAt']).toMatch(RFC3339_UTC);
    const place = made.headers.get('location') ?? '';
    expect(place).toBe(`/v1/webhooks/${String(webhook['id'])}`);
    const { secret: _secret, ...rest } = webhook;
    expect((await api.call('GET', place)).body).toEqual(rest);
  });

  it('keeps a key of 255 bytes byte for byte, and gives it out once only', async () => {
    const key = randomUUID() + 'é'.repeat(109) + 'x';
    expect(Buffer.byteLength(key)).toBe(255);
    expect((await register({ key }))['key']).toBe(key);
    const before = await api.stored();
    const again = await api.call('POST', '/v1/webhooks', { url: URL_OK, key });
    expect(again.status).toBe(409);
    expect(problemOf(again)).toMatchObject({ code: 'key_taken', errors: [{ pointer: '/key' }] });
    expect(await api.stored()).toBe(before);
  });

  it('does not let a customer choose the key', async () => {
    const before = await api.stored();
    const headers = { authorization: `Bearer ${USER_KEY}` };
    const got = await api.call('POST', '/v1/webhooks', { url: URL_OK, key: 'mine' }, headers);
    expect(got.status).toBe(403);
    expect(problemOf(got).code).toBe('forbidden');
    expect(await api.stored()).toBe(before);
    expect((await api.call('POST', '/v1/webhooks', { url: URL_OK }, headers)).status).toBe(201);
  });
});

describe('changing a webhook', () => {
  it('touches only the given fields and tells a new secret once', async () => {
    const webhook = await register({ maxRate: 20, description: 'a' });
    const path = `/v1/webhooks/${String(webhook['id'])}`;
    const changed = await api.call('PATCH', path, { maxRate: null });
    expect(changed.body).toMatchObject({ maxRate: null, description: 'a', url: URL_OK });
    expect(changed.body).not.toHaveProperty('secret');
    const rotated = await api.call('PATCH', path, { rotateSecret: true });
    expect(rotated.body?.['secret']).toMatch(/^whsec_/);
    expect(rotated.body?.['secret']).not.toBe(webhook['secret']);
    expect((await api.call('GET', path)).body).not.toHaveProperty('secret');
  });

  it('takes the packing of its events as a whole, and says the default', async () => {
    const webhook = await register();
    const path = `/v1/webhooks/${String(webhook['id'])}`;
    const usual = { maxEvents: 100, maxBytes: 262_144 };
    expect(webhook['delivery']).toEqual({ mode: 'single', ...usual });
    const delivery = { mode: 'ndjson', maxEvents: 1_000, maxBytes: 1_048_576 };
    expect((await register({ delivery }))['delivery']).toEqual(delivery);
    const changed = await api.call('PATCH', path, { delivery });
    expect(changed.body).toMatchObject({ delivery, version: 2 });
    const again = await api.call('PATCH', path, { delivery: { mode: 'json-array' } });
    expect(again.body).toMatchObject({ delivery: { mode: 'json-array', ...usual }, version: 3 });
    expect((await api.call('PATCH', path, { maxRate: 9 })).body?.['delivery']).toEqual(
      again.body?.['delivery'],
    );
  });

  it.each([
    [{ mode: 'lines' }, '/delivery/mode'],
    [{ maxEvents: 10 }, '/delivery/mode'],
    [{ mode: 'ndjson', maxEvents: 0 }, '/delivery/maxEvents'],
    [{ mode: 'ndjson', maxEvents: 1_001 }, '/delivery/maxEvents'],
    [{ mode: 'ndjson', maxEvents: 1.5 }, '/delivery/maxEvents'],
    [{ mode: 'ndjson', maxBytes: 1_023 }, '/delivery/maxBytes'],
    [{ mode: 'ndjson', maxBytes: 1_048_577 }, '/delivery/maxBytes'],
    [{ mode: 'ndjson', linger: 5 }, '/delivery/linger'],
    ['ndjson', '/delivery'],
    [null, '/delivery'],
  ])('refuses the packing %j at %s', async (delivery, pointer) => {
    const before = await api.stored();
    const got = await api.call('POST', '/v1/webhooks', { url: URL_OK, delivery });
    expect(got.status).toBe(400);
    const fault = problemOf(got).errors?.find((one) => one.pointer === pointer);
    expect(fault?.detail).toContain('; allowed: ');
    expect(await api.stored()).toBe(before);
  });

  it('refuses the key, nothing at all, and a bad URL, and changes nothing', async () => {
    const path = `/v1/webhooks/${String((await register())['id'])}`;
    const before = await api.stored();
    for (const body of [{ key: 'x' }, {}, { rotateSecret: false }, { url: 'ftp://a.example/' }]) {
      expect((await api.call('PATCH', path, body)).status, JSON.stringify(body)).toBe(400);
    }
    expect(await api.stored()).toBe(before);
  });
});

describe('removing a webhook', () => {
  it('answers 204, then 404', async () => {
    const path = `/v1/webhooks/${String((await register())['id'])}`;
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await api.call('DELETE', path)).status).toBe(404);
    expect((await api.call('GET', path)).status).toBe(404);
  });

  it('waits for its replays', async () => {
    const path = `/v1/webhooks/${String((await register())['id'])}`;
    await api.call('POST', `${path}/replays`, { from: fromNow(-60_000), to: fromNow(-1000) });
    const got = await api.call('DELETE', path);
    expect(got.status).toBe(409);
    expect(problemOf(got).code).toBe('has_live_jobs');
  });
});

describe('somebody else’s webhook', () => {
  it('does not exist, for every verb', async () => {
    const path = `/v1/webhooks/${String((await register())['id'])}`;
    const headers = { authorization: `Bearer ${FOREIGN_KEY}` };
    const range = { from: fromNow(-60_000), to: fromNow(-1000) };
    const before = await api.stored();
    expect((await api.call('GET', path, undefined, headers)).status).toBe(404);
    expect((await api.call('PATCH', path, { description: 'x' }, headers)).status).toBe(404);
    expect((await api.call('DELETE', path, undefined, headers)).status).toBe(404);
    expect((await api.call('POST', `${path}/replays`, range, headers)).status).toBe(404);
    expect((await api.call('GET', '/v1/webhooks', undefined, headers)).body?.['items']).toEqual([]);
    expect(await api.stored()).toBe(before);
  });
});

describe('the list', () => {
  it('pages through all of them once, and refuses cursors it never gave', async () => {
    const paged = await openApi();
    try {
      const made = new Set<unknown>();
      for (let n = 0; n < 5; n++) {
        made.add((await paged.call('POST', '/v1/webhooks', { url: URL_OK })).body?.['id']);
      }
      const seen: unknown[] = [];
      let cursor = '';
      do {
        const { body } = await paged.call('GET', `/v1/webhooks?limit=2${cursor && `&cursor=${cursor}`}`);
        seen.push(...(body?.['items'] as { id: string }[]).map(({ id }) => id));
        cursor = (body?.['nextCursor'] as string | null) ?? '';
      } while (cursor !== '');
      expect(seen).toHaveLength(5);
      expect(new Set(seen)).toEqual(made);
      const { body } = await paged.call('GET', '/v1/webhooks?limit=2');
      const real = body?.['nextCursor'] as string;
      for (const bad of ['abc', `${real}A`, '1', '%00', Buffer.from('webhooks:x').toString('base64url')]) {
        expect((await paged.call('GET', `/v1/webhooks?cursor=${bad}`)).status, bad).toBe(400);
      }
      expect((await paged.call('GET', `/v1/replays?cursor=${real}`)).status).toBe(400);
    } finally {
      await paged.close();
    }
  });

  it.each(['0', '101', '-1', '1.5', 'ten', '', '1&limit=2'])('refuses limit=%s', async (limit) => {
    const got = await api.call('GET', `/v1/webhooks?limit=${limit}`);
    expect(got.status).toBe(400);
    expect(problemOf(got).errors?.[0]).toMatchObject({
      pointer: 'limit',
      detail: expect.stringContaining('allowed: an integer from 1 to 100') as string,
    });
  });
});
