import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { singleKeyAccess } from '../../../src/api/access.ts';
import { RepriseError } from '../../../src/domain/errors.ts';
import { openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

describe('without the right key', () => {
  it.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an empty one', { authorization: 'Bearer ' }],
  ])('%s: every route of /v1 answers 401 before it reads the body', async (_name, headers) => {
    const before = await api.stored();
    for (const [method, path] of [
      ['GET', '/v1/webhooks'],
      ['POST', '/v1/webhooks'],
      ['GET', '/v1/webhooks/1'],
      ['PATCH', '/v1/webhooks/1'],
      ['DELETE', '/v1/webhooks/1'],
      ['POST', '/v1/webhooks/1/replays'],
      ['GET', '/v1/replays'],
      ['GET', '/v1/replays/1'],
      ['GET', '/v1/replays/1/transitions'],
    ] as const) {
      const response = await fetch(api.url + path, { method, headers });
      expect(response.status, `${method} ${path}`).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('Bearer');
      expect(await response.json()).toMatchObject({ code: 'unauthorized' });
    }
    expect(await api.stored()).toBe(before);
  });

  it('a single key lets in itself only', () => {
    const authenticate = singleKeyAccess('the key');
    expect(authenticate('the key')).toMatchObject({ admin: true, tenant: 'default' });
    for (const token of ['', 'the ke', 'the key ', 'The key']) expect(authenticate(token)).toBeNull();
  });
});

describe('a request that is none', () => {
  const url = 'http://127.0.0.1:9/hook';
  it.each([
    ['another content type', 'url=x', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    ['plain text', '{}', 'text/plain', 415, 'unsupported_media_type'],
    ['broken JSON', '{"url":', 'application/json', 400, 'invalid_request'],
    ['an empty body', '', 'application/json', 400, 'invalid_request'],
    [
      'a prototype',
      '{"__proto__":{"a":1},"url":"http://127.0.0.1:9/"}',
      'application/json',
      400,
      'invalid_request',
    ],
    [
      'a body of 70 KB',
      JSON.stringify({ url, description: 'x'.repeat(70_000) }),
      'application/json',
      413,
      'body_too_large',
    ],
    ['a text for a body', '"x"', 'application/json', 400, 'invalid_request'],
    [
      'a URL of 3000 characters',
      JSON.stringify({ url: url + 'x'.repeat(3000) }),
      'application/json',
      400,
      'invalid_request',
    ],
    [
      'a description of 501',
      JSON.stringify({ url, description: 'x'.repeat(501) }),
      'application/json',
      400,
      'invalid_request',
    ],
    [
      'a key of 256 bytes',
      JSON.stringify({ url, key: 'é'.repeat(128) }),
      'application/json',
      400,
      'invalid_request',
    ],
    [
      'a key that is no text',
      '{"url":"http://127.0.0.1:9/","key":"\\ud800"}',
      'application/json',
      400,
      'invalid_request',
    ],
    ['a private target', '{"url":"https://10.0.0.1/"}', 'application/json', 400, 'invalid_url'],
    ['plain http to the world', '{"url":"http://93.184.216.34/"}', 'application/json', 400, 'invalid_url'],
    ['no URL', '{"url":"webhook"}', 'application/json', 400, 'invalid_url'],
    ['credentials in the URL', '{"url":"https://a:b@example.com/"}', 'application/json', 400, 'invalid_url'],
  ])('%s: is refused, and nothing stored', async (_name, body, type, status, code) => {
    const before = await api.stored();
    const got = await api.call('POST', '/v1/webhooks', body, { 'content-type': type });
    expect(got.status).toBe(status);
    expect(problemOf(got)).toMatchObject({ code, status, type: `/problems/${code}` });
    expect(problemOf(got).detail.length).toBeGreaterThan(10);
    expect(await api.stored()).toBe(before);
  });

  it.each([
    ['QUERY', '/v1/replays', undefined, 405],
    ['PUT', '/v1/webhooks', '{"broken', 405],
    ['POST', '/v1/nothing', '{"broken', 404],
  ])('%s %s is refused for its path, whatever the body is', async (method, path, body, status) => {
    expect(problemOf(await api.call(method, path, body)).status).toBe(status);
  });

  it('unknown routes are 404, known ones with another method 405 and Allow', async () => {
    expect(problemOf(await api.call('GET', '/v2/webhooks'))).toMatchObject({
      status: 404,
      code: 'no_such_route',
    });
    const put = await api.call('PUT', '/v1/webhooks/1', {});
    expect(put.status).toBe(405);
    expect(put.headers.get('allow')).toBe('DELETE, GET, HEAD, PATCH');
    expect(problemOf(put).code).toBe('method_not_allowed');
    expect((await api.call('GET', '/v1/%zz')).status).toBe(400);
  });

  it('not even HTTP: is answered and the socket closed', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.write('what?\r\n\r\n');
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('application/problem+json');
  });
});

describe('when the store fails', () => {
  async function failing(error: Error): Promise<ApiUnderTest> {
    return openApi((store) => ({ ...store, replays: () => Promise.reject(error) }));
  }

  it('an outage is 503 and says when to come back', async () => {
    const away = await failing(new RepriseError('database_unavailable', 'The database does not answer.'));
    const got = await away.call('GET', '/v1/replays');
    await away.close();
    expect(got.status).toBe(503);
    expect(got.headers.get('retry-after')).toBe('1');
    expect(problemOf(got)).toMatchObject({ code: 'database_unavailable', retryable: true });
  });

  it('a surprise is 500 without a word of it, and is told to the operators', async () => {
    const broken = await failing(new Error('SELECT c4n4ry'));
    const got = await broken.call('GET', '/v1/replays');
    await broken.close();
    expect(got.status).toBe(500);
    expect(got.text).not.toContain('c4n4ry');
    expect(got.text).not.toContain('.ts');
    expect(problemOf(got).instance).toBe(`urn:uuid:${got.headers.get('request-id') ?? ''}`);
    expect(broken.heard).toContain('http.failed');
  });
});

describe('operation', () => {
  it('is alive, and ready without Kafka but not without the database', async () => {
    const none = { authorization: '' };
    expect((await api.call('GET', '/healthz', undefined, none)).body).toEqual({ status: 'alive' });
    const sites = [{ site: 'dc1', reachable: false, problem: 'no broker answers' }];
    const checked = sites.map((site) => ({ ...site, sinceMs: 0 }));
    api.readiness = { database: null, sites: checked };
    const ready = await api.call('GET', '/readyz', undefined, none);
    expect(ready.status).toBe(200);
    expect(ready.body).toEqual({ status: 'ready', database: { ok: true, problem: null }, sites });
    api.readiness = { database: 'connection refused', sites: checked };
    const unready = await api.call('GET', '/readyz', undefined, none);
    expect(unready.status).toBe(503);
    expect(unready.body).toMatchObject({ status: 'unready', database: { ok: false } });
  });

  it('serves metrics, the meaning of errors and its description', async () => {
    const none = { authorization: '' };
    const metrics = await api.call('GET', '/metrics', undefined, none);
    expect(metrics.text).toBe('up 1\n');
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await api.call('GET', '/problems/key_taken', undefined, none)).body).toMatchObject({
      status: 409,
    });
    expect((await api.call('GET', '/problems/toString', undefined, none)).status).toBe(404);
    const { body } = await api.call('GET', '/v1/openapi.json', undefined, none);
    expect(body?.['openapi']).toBe('3.1.0');
    expect(Object.keys(body?.['paths'] as object)).toContain('/v1/webhooks/{id}/replays');
    expect(body).toHaveProperty('webhooks.event.post');
  });

  it('answers with hardened headers and a request id', async () => {
    const { headers } = await api.call('GET', '/healthz');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});
