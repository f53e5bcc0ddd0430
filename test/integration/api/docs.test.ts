// Swagger UI at /docs works without any other host: what its page names is here, and its policy allows nothing else.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi } from '../../../src/api/server.ts';
import { singleKeyAccess } from '../../../src/api/access.ts';
import { openApi, type ApiUnderTest } from './api-fixture.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());

/** Without a key. */
const get = async (path: string) => {
  const response = await fetch(new URL(path, api.url));
  return { response, text: await response.text() };
};

/** What an HTML page loads. */
const loaded = (html: string): string[] =>
  [...html.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, target = '']) => target);

describe('/docs', () => {
  it.each(['/docs', '/docs/'])('%s is a page whose parts are all of this server', async (path) => {
    const { response, text } = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    const parts = loaded(text);
    expect(parts.length).toBeGreaterThan(5);
    for (const part of parts) {
      const url = new URL(part, new URL(path, api.url));
      expect(url.origin, part).toBe(api.url);
      const found = await get(url.pathname);
      expect(found.response.status, part).toBe(200);
      // A style sheet may name further files.
      if (!part.endsWith('.css')) continue;
      const named = [...found.text.matchAll(/(?:url\(|@import)\s*["']?([^"')\s]+)/g)].map(
        ([, target]) => target,
      );
      expect(
        named.filter((target) => !target?.startsWith('data:')),
        part,
      ).toEqual([]);
    }
    // No script in the page itself: the policy would not run it.
    expect(text.match(/<script[^>]*>\s*[^<\s]/)).toBeNull();
  });

  it('lets a browser load nothing from elsewhere, nor inline', async () => {
    for (const path of ['/docs', '/docs/static/swagger-ui-bundle.js', '/docs/json']) {
      const policy = (await get(path)).response.headers.get('content-security-policy') ?? '';
      const rules = Object.fromEntries(
        policy
          .split(';')
          .filter((rule) => rule.trim() !== '')
          .map((rule) => rule.trim().split(/\s+/))
          .map(([name = '', ...sources]) => [name, sources]),
      );
      expect(rules['default-src'], path).toEqual(["'none'"]);
      const sources = new Set(Object.values(rules).flat());
      const ofStyle = ["'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='", "'unsafe-hashes'"];
      expect([...sources].sort(), path).toEqual(["'none'", "'self'", ...ofStyle, 'data:'].sort());
      expect(rules['script-src'], path).toEqual(["'self'"]);
      expect(rules['style-src'], path).toEqual(["'self'", "'unsafe-hashes'", ofStyle[0]]);
    }
  });

  it('shows the description that /v1/openapi.json has, and asks no validator', async () => {
    const shown = JSON.parse((await get('/docs/json')).text) as unknown;
    expect(shown).toEqual(JSON.parse((await get('/v1/openapi.json')).text));
    const { text } = await get('/docs/static/swagger-initializer.js');
    expect(text).toContain('validatorUrl: null');
    expect(text.match(/https?:\/\/(?!stackoverflow\.com\/a\/77855838)[^\s'"]+/g)).toBeNull();
  });

  it('leaves the other paths as strict as they were, and itself out of the description', async () => {
    const { response, text } = await get('/v1/openapi.json');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect((await get('/healthz')).response.headers.get('content-security-policy')).toBe(policy);
    expect((await get('/docs')).response.headers.get('content-security-policy')).not.toBe(policy);
    expect(
      Object.keys((JSON.parse(text) as { paths: object }).paths).filter((path) => /docs/.test(path)),
    ).toEqual([]);
    expect((await get('/docs/nothing')).response.status).toBe(404);
  });

  it('is not there when it is switched off', async () => {
    const unused = (): never => {
      throw new Error('not asked here');
    };
    const closed = await createApi({
      store: api.store,
      authenticate: singleKeyAccess('key'),
      checkUrl: unused,
      metrics: unused,
      readiness: unused,
      onReplayRequested: unused,
      emit: unused,
      lookbackMs: 1,
      maxRate: 1,
      disorderSlackMs: 1,
      identity: 'value',
      planner: { plan: unused },
      settleMs: 1,
      planTtlMs: 1,
      proof: { mode: 'off', check: unused },
      idempotencyKeepMs: 1,
      streams: { most: 0, mostPerTenant: 0, pollMs: 1, heartbeatMs: 1, stallMs: 1 },
      docs: false,
      version: '0.0.0',
    });
    expect((await closed.inject('/docs')).statusCode).toBe(404);
    expect((await closed.inject('/v1/openapi.json')).statusCode).toBe(200);
    await closed.close();
  });
});
