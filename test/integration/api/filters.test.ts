// Filters of a replay at the front door: what is taken and shown again, and what a bad one is told.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromNow, openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';

let api: ApiUnderTest;
let path: string;
beforeAll(async () => {
  api = await openApi();
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  path = `/v1/webhooks/${String(body?.['id'])}/replays`;
});
afterAll(() => api.close());

const range = { from: fromNow(-60_000), to: fromNow(-1000) };
const ask = (filters: unknown) => api.call('POST', path, { ...range, filters });

describe('filters of a replay', () => {
  it('are shown as they were asked for, and in its history as they are kept', async () => {
    const filters = [
      { header: 'x-event-type', equals: 'order.created' },
      { header: 'Ünï', in: ['a', ''] },
      { header: 'x', prefix: 'y' },
      { pointer: '/data/status', in: ['paid', 1, 1.5, true, false, null, ''] },
      { pointer: '/type', prefix: 'invoice.' },
      { pointer: '', equals: null },
      { pointer: '/a~1b/~0/', equals: false },
      { pointer: '/n', equals: -9007199254740991 },
      { pointer: '/e', equals: '' },
      { pointer: '/p'.repeat(128), equals: 'v'.repeat(256) },
    ];
    const got = await ask(filters);
    expect(got.status, got.text).toBe(202);
    expect(got.body?.['filters']).toEqual(filters);
    const place = `/v1/replays/${String(got.body?.['id'])}`;
    expect((await api.call('GET', place)).body?.['filters']).toEqual(filters);
    const history = await api.call('GET', `${place}/transitions`);
    const [first] = history.body?.['items'] as { body: { spec: { filters: unknown[] } } }[];
    expect(first?.body.spec.filters[0]).toEqual({
      where: 'header',
      path: 'x-event-type',
      op: 'equals',
      values: ['order.created'],
    });
  });

  it('are none by default', async () => {
    for (const body of [range, { ...range, filters: [] }]) {
      const got = await api.call('POST', path, body);
      expect(got.body).toMatchObject({ filters: [], counts: { filtered: 0 } });
    }
  });

  it.each<[string, unknown, string]>([
    ['no list', { header: 'a', equals: 'b' }, '/filters'],
    ['eleven', Array(11).fill({ header: 'a', equals: 'b' }), '/filters'],
    ['text', ['a'], '/filters/0'],
    ['nothing', [{}], '/filters/0'],
    ['a place alone', [{ header: 'a' }], '/filters/0'],
    ['no place', [{ equals: 'a', prefix: 'b' }], '/filters/0'],
    ['two places', [{ header: 'a', pointer: '/a' }], '/filters/0'],
    ['two conditions', [{ header: 'a', equals: 'b', prefix: 'c' }], '/filters/0'],
    ['an unknown field', [{ header: 'a', equal: 'b' }], '/filters/0/equal'],
    ['a pointer without its slash', [{ pointer: 'a', equals: 1 }], '/filters/0/pointer'],
    ['a pointer with a bad escape', [{ pointer: '/a~2', equals: 1 }], '/filters/0/pointer'],
    ['a pointer that ends in ~', [{ pointer: '/~', equals: 1 }], '/filters/0/pointer'],
    ['a long pointer', [{ pointer: `/${'a'.repeat(256)}`, equals: 1 }], '/filters/0/pointer'],
    ['an empty name', [{ header: '', equals: 'a' }], '/filters/0/header'],
    ['a long name', [{ header: 'a'.repeat(129), equals: 'a' }], '/filters/0/header'],
    ['an empty list', [{ pointer: '/a', in: [] }], '/filters/0/in'],
    ['a long list', [{ pointer: '/a', in: Array(51).fill(1) }], '/filters/0/in'],
    ['an empty prefix', [{ pointer: '/a', prefix: '' }], '/filters/0/prefix'],
    ['a prefix of no text', [{ pointer: '/a', prefix: 1 }], '/filters/0/prefix'],
    ['an object', [{ pointer: '/a', equals: {} }], '/filters/0/equals'],
    ['a list in a list', [{ pointer: '/a', in: [1, [2]] }], '/filters/0/in/1'],
    ['a number that is not exact', [{ pointer: '/a', equals: 2 ** 53 }], '/filters/0/equals'],
    ['a long text', [{ pointer: '/a', equals: 'v'.repeat(257) }], '/filters/0/equals'],
    ['a number for a header', [{ header: 'a', equals: 1 }], '/filters/0/equals'],
    ['null for a header', [{ header: 'a', in: ['b', null] }], '/filters/0/in/1'],
    ['half a character', [{ pointer: '/a', prefix: '\ud800' }], '/filters/0/prefix'],
    ['a name with half a character', [{ header: 'a\udc00', equals: '' }], '/filters/0/header'],
    [
      'the second of two',
      [
        { header: 'a', equals: 'b' },
        { header: 'a', equals: null },
      ],
      '/filters/1/equals',
    ],
  ])('with %s are refused where that is, and store nothing', async (_what, filters, pointer) => {
    const before = await api.stored();
    const got = await ask(filters);
    expect(got.status, got.text).toBe(400);
    const problem = problemOf(got);
    expect(problem.code).toBe('invalid_request');
    expect(problem.errors?.map((fault) => fault.pointer)).toContain(pointer);
    for (const { detail } of problem.errors ?? []) expect(detail.length).toBeGreaterThan(10);
    expect(await api.stored()).toBe(before);
  });

  it('say what is allowed', async () => {
    const told = async (filters: unknown): Promise<string> =>
      problemOf(await ask(filters)).errors?.[0]?.detail ?? '';
    expect(await told([{ header: 'a', pointer: '/a' }])).toContain(
      'allowed: one of header and pointer, with one of',
    );
    expect(await told([{ header: 'a' }])).toContain('allowed: one of header and pointer, with one of');
    expect(await told([{ pointer: 'a', equals: 1 }])).toContain('allowed: a JSON pointer (RFC 6901)');
    expect(await told([{ pointer: '/a', equal: 1 }])).toContain(
      'allowed: header, pointer, equals, in, prefix',
    );
  });
});
