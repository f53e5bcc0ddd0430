import { describe, expect, it } from 'vitest';
import { RepriseError } from '../../../../src/domain/errors.ts';
import { golden, JOB, KEY, newScript, openX, type Script } from './x-fixture.ts';

interface Call {
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly status: number;
  readonly allow?: string;
  readonly answer: unknown;
  readonly asked?: { webhookId: string; from: string; to: string };
}

interface Row {
  readonly name: string;
  readonly given: Record<string, string>;
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly port?: 'no_webhook' | 'webhook_invalid' | 'busy' | { retryAfterMs: number } | { throws: string };
  readonly headers?: Record<string, string>;
  readonly only?: string;
}

const { calls } = golden('calls') as { calls: Call[] };
const { rows } = golden('errors') as { rows: Row[] };

describe('calls as X’s clients send them', () => {
  it.each(calls)('$name', async ({ method, url, headers, body, status, allow, answer, asked }) => {
    const script = newScript();
    const app = await openX(script);
    const got = await app.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body }) });
    await app.close();
    expect([got.statusCode, got.json()]).toEqual([status, answer]);
    expect(script.asked).toEqual(asked ? [asked] : []);
    const json = url.startsWith('/2') && status >= 400 ? 'application/problem+json' : 'application/json';
    expect(got.headers['content-type']).toContain(json);
    expect(got.headers['allow']).toBe(allow);
    expect(got.headers['www-authenticate'] === undefined).toBe(status !== 401);
  });
});

const GENERATIONS = ['v1.1', 'v2 account', 'v2'] as const;

function requestOf(generation: (typeof GENERATIONS)[number], given: Record<string, string>) {
  const authorization = `Bearer ${KEY}`;
  if (generation === 'v2') {
    const headers = { authorization, 'content-type': 'application/json' };
    return { url: '/2/webhooks/replay', headers, payload: JSON.stringify(given) };
  }
  const { webhook_id = '', ...query } = given;
  const [prefix, ending] = generation === 'v1.1' ? ['/1.1', '.json'] : ['/2', ''];
  const path = `${prefix}/account_activity/replay/webhooks/${encodeURIComponent(webhook_id)}/subscriptions/all`;
  return { url: `${path}${ending}?${new URLSearchParams(query).toString()}`, headers: { authorization } };
}

function scriptOf(port: Row['port']): Script {
  if (port === undefined || typeof port === 'string' || 'retryAfterMs' in port) return newScript(port ?? JOB);
  const away = new RepriseError('database_unavailable', 'c4n4ry');
  return newScript(port.throws === 'away' ? away : new Error('SELECT c4n4ry'));
}

const asked = GENERATIONS.flatMap((generation) =>
  rows.filter(({ only = generation }) => only === generation).map((row) => ({ ...row, generation })),
);

describe('the error table', () => {
  it.each(asked)('$generation: $name', async (row) => {
    const { generation, given, port, status, code, message, headers = {} } = row;
    const script = scriptOf(port);
    const app = await openX(script);
    const got = await app.inject({ method: 'POST', ...requestOf(generation, given) });
    await app.close();
    const errors = [{ code, message }];
    expect([got.statusCode, got.json<{ errors: unknown }>().errors]).toEqual([status, errors]);
    if (generation === 'v1.1') expect(got.json()).toEqual({ errors });
    else expect(got.json()).toMatchObject({ type: 'about:blank', status, detail: message });
    expect(got.headers).toMatchObject(headers);
    expect(got.body).not.toContain('c4n4ry');
    expect(script.heard).toEqual(status === 500 ? ['http.failed'] : []);
    // What the parameters say alone is refused before the product is asked.
    expect(script.asked.length).toBe(port === undefined || message.startsWith('from_date') ? 0 : 1);
  });

  it('has each number of X’s', () => {
    expect([...new Set(rows.map(({ code }) => code))].sort((a, b) => a - b)).toEqual([
      0, 34, 67, 88, 214, 355, 356, 357, 358, 360, 368,
    ]);
  });
});

describe('a parameter that comes twice, or is no text', () => {
  const { webhook_id = '', from_date = '', to_date = '' } = rows[0]?.given ?? {};
  const authorization = `Bearer ${KEY}`;
  const query = `from_date=${from_date}&to_date=${to_date}`;
  const paths = [
    `/1.1/account_activity/replay/webhooks/${webhook_id}/subscriptions/all.json?${query}`,
    `/2/account_activity/replay/webhooks/${webhook_id}/subscriptions/all?${query}`,
  ];
  it.each(paths.flatMap((path) => [`${path}&from_date=${from_date}`, `${path}&to_date=`]))(
    '%s',
    async (url) => {
      const app = await openX(newScript());
      const got = await app.inject({ method: 'POST', url, headers: { authorization } });
      await app.close();
      expect([got.statusCode, got.json<{ errors: unknown[] }>().errors]).toEqual([
        400,
        [{ code: 358, message: 'Unable to parse parameter.' }],
      ]);
    },
  );

  const bodies = [
    ['no JSON', 'from_date=1', 'application/json', 358],
    ['a form', `webhook_id=${webhook_id}&${query}`, 'application/x-www-form-urlencoded', 358],
    ['text', JSON.stringify({ webhook_id, from_date, to_date }), 'text/plain', 358],
    ['no object', '[]', 'application/json', 358],
    ['null', 'null', 'application/json', 357],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'application/json', 358],
    [
      '70 KB',
      JSON.stringify({ webhook_id, from_date, to_date, x: 'x'.repeat(70_000) }),
      'application/json',
      358,
    ],
    [
      'a number for an id',
      `{"webhook_id":1,"from_date":"${from_date}","to_date":"${to_date}"}`,
      'application/json',
      358,
    ],
    ['a list', JSON.stringify({ webhook_id, from_date: [from_date], to_date }), 'application/json', 358],
    ['null for a date', JSON.stringify({ webhook_id, from_date: null, to_date }), 'application/json', 358],
    ['a prototype', '{"__proto__":{"webhook_id":"1"}}', 'application/json', 357],
    ['nothing', '', 'application/json', 357],
  ] as const;
  it.each(bodies)('a body that is %s', async (_name, payload, type, code) => {
    const script = newScript();
    const app = await openX(script);
    const headers = { authorization, 'content-type': type };
    const got = await app.inject({ method: 'POST', url: '/2/webhooks/replay', headers, payload });
    await app.close();
    expect([got.statusCode, got.json<{ errors: { code: number }[] }>().errors[0]?.code]).toEqual([400, code]);
    expect(script.asked).toEqual([]);
  });
});
