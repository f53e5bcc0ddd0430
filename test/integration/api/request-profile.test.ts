// What a webhook wants on its requests, at the front door: content type and fixed headers, whose values are never told.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

const URL_OK = 'http://127.0.0.1:9/hook';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

async function register(body: object = {}): Promise<{ readonly path: string; readonly body: object }> {
  const got = await api.call('POST', '/v1/webhooks', { url: URL_OK, ...body });
  expect(got.status, got.text).toBe(201);
  return { path: `/v1/webhooks/${String(got.body?.['id'])}`, body: got.body ?? {} };
}

describe('the requests of a webhook', () => {
  it('are plain JSON without more, unless it says otherwise', async () => {
    expect((await register()).body).toMatchObject({ contentType: 'application/json', headers: {} });
  });

  it('are shown with the names of their headers, and no value anywhere', async () => {
    const headers = { Authorization: 'Bearer s3cret', 'x-tenant': 's3cret too', __proto__x: 's3cret' };
    const { path, body } = await register({
      contentType: 'application/cloudevents+json; charset=utf-8',
      headers,
    });
    const shown = {
      contentType: 'application/cloudevents+json; charset=utf-8',
      headers: { Authorization: null, 'x-tenant': null, __proto__x: null },
    };
    expect(body).toMatchObject(shown);
    const answers = [
      await api.call('GET', path),
      await api.call('GET', '/v1/webhooks'),
      await api.call('PATCH', path, { description: 'x' }),
    ];
    expect(answers[0]?.body).toMatchObject(shown);
    expect(answers[2]?.body).toMatchObject({ ...shown, version: 2 });
    for (const { text } of answers) expect(text).not.toContain('s3cret');
  });

  it('keep what a change does not name, and have each field replaced as a whole', async () => {
    const delivery = { mode: 'ndjson', maxEvents: 7, maxBytes: 2_048 };
    const { path } = await register({ delivery, contentType: 'text/plain', headers: { a: '1', b: '2' } });
    const change = async (body: object): Promise<unknown> => (await api.call('PATCH', path, body)).body;
    expect(await change({ headers: { b: '3' } })).toMatchObject({
      delivery,
      contentType: 'text/plain',
      headers: { b: null },
      version: 2,
    });
    expect(await change({ contentType: 'a/b' })).toMatchObject({
      delivery,
      contentType: 'a/b',
      headers: { b: null },
    });
    const single = { mode: 'single', maxEvents: 100, maxBytes: 262_144 };
    expect(await change({ delivery: { mode: 'single' } })).toMatchObject({
      delivery: single,
      contentType: 'a/b',
      headers: { b: null },
    });
    const emptied = (await api.call('PATCH', path, { headers: {} })).body;
    expect(emptied?.['headers']).toEqual({});
    expect(emptied).toMatchObject({ contentType: 'a/b', delivery: single });
  });

  it.each<[string, unknown, string]>([
    ['a list', [], '/headers'],
    ['null', null, '/headers'],
    ['a number', { a: 1 }, '/headers/a'],
    ['what an answer shows', { authorization: null }, '/headers/authorization'],
    ['twenty-one', Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`x-${n}`, 'v'])), '/headers'],
    ['too much', { a: 'v'.repeat(2_048), b: 'v'.repeat(2_048) }, '/headers'],
    ['one name twice', { 'x-a': '1', 'X-A': '2' }, '/headers/X-A'],
    ['a name that is none', { 'a/b~': '1' }, '/headers/a~1b~0'],
    ['a line break', { a: 'b\r\nc: d' }, '/headers/a'],
    ['other letters', { a: 'é' }, '/headers/a'],
    ['an empty value', { a: '' }, '/headers/a'],
    ['Host', { Host: 'a' }, '/headers/Host'],
    ['Content-Type', { 'Content-Type': 'a/b' }, '/headers/Content-Type'],
    ['Content-Length', { 'Content-Length': '1' }, '/headers/Content-Length'],
    ['Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }, '/headers/Transfer-Encoding'],
    ['Connection', { Connection: 'close' }, '/headers/Connection'],
    ['webhook-id', { 'webhook-id': 'a' }, '/headers/webhook-id'],
    ['reprise-job-id', { 'Reprise-Job-Id': 'a' }, '/headers/Reprise-Job-Id'],
    ['the signature of X', { 'x-twitter-webhooks-signature': 'a' }, '/headers/x-twitter-webhooks-signature'],
  ])('refuse %s for headers, without telling a value', async (_what, headers, pointer) => {
    const { path } = await register();
    const before = await api.stored();
    for (const got of [
      await api.call('POST', '/v1/webhooks', { url: URL_OK, headers }),
      await api.call('PATCH', path, { headers }),
    ]) {
      expect(got.status, got.text).toBe(400);
      const { code, errors } = problemOf(got);
      expect(code).toBe('invalid_request');
      expect(errors?.map((fault) => fault.pointer)).toContain(pointer);
      expect(got.text).not.toContain('vvvv');
    }
    expect(await api.stored()).toBe(before);
  });

  it.each(['', 'json', 'a/b\r\nx: y', 'a/b;', 'a/', `a/${'b'.repeat(127)}`, 7, null])(
    'refuse the content type %j',
    async (contentType) => {
      const got = await api.call('POST', '/v1/webhooks', { url: URL_OK, contentType });
      expect(got.status, got.text).toBe(400);
      expect(problemOf(got).errors?.[0]).toMatchObject({
        pointer: '/contentType',
        detail: expect.stringContaining('; allowed: a media type') as string,
      });
    },
  );
});
