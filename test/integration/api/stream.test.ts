// The stream of a replay: every transition once and in order, whoever serves it and however often it is cut off.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { ReplayStore } from '../../../src/domain/replay-store.ts';
import { createJobStore } from '../../../src/store/job-store.ts';
import { bareCut, BEAT } from '../../support/example.ts';
import { ADMIN_KEY, FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest } from './api-fixture.ts';
import { EventReader } from './event-reader.ts';

let api: ApiUnderTest;
let other: ApiUnderTest;
let asked: string[];
/** Notes which of the store's verbs for streams were called. */
const noting = (store: ReplayStore): ReplayStore => ({
  ...store,
  lookAt: (ids) => {
    asked.push(`look ${ids.length}`);
    return store.lookAt(ids);
  },
});
beforeAll(async () => {
  asked = [];
  api = await openApi(noting, { poolSize: 4, streams: { heartbeatMs: 4_000, mostPerTenant: 5, most: 6 } });
  other = await openApi(undefined, { poolSize: 4, beside: api });
});
afterAll(async () => {
  await other.close();
  await api.close();
});
const readers: EventReader[] = [];
afterEach(async () => {
  for (const each of readers.splice(0)) {
    each.close();
    await each.closed;
  }
  await expect.poll(openStreams).toBe(0);
});

function read(place: string, headers: Record<string, string> = {}, of = api): EventReader {
  const reader = new EventReader(`${of.url}${place}`, headers);
  readers.push(reader);
  return reader;
}

const openStreams = (): number =>
  api.signals
    .filter(({ name }) => name === 'stream.open')
    .reduce((sum, { fields }) => sum + (fields as { change: number }).change, 0);

async function newReplay(): Promise<string> {
  const made = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  const place = `${String(made.headers.get('location'))}/replays`;
  const got = await api.call('POST', place, { from: fromNow(-60_000), to: fromNow(-1_000) });
  return String(got.headers.get('location'));
}

async function history(replay: string): Promise<unknown[]> {
  const got = await api.call('GET', `${replay}/transitions?limit=100`);
  return got.body?.['items'] as unknown[];
}

const seen = (reader: EventReader): unknown[] => reader.of('transition').map(({ data }) => data);

describe('a stream', () => {
  it('tells what was, what comes and the end, in the shapes of the API', async () => {
    const replay = await newReplay();
    const reader = read(`${replay}/stream`);
    await expect.poll(() => reader.events.map(({ type }) => type)).toEqual(['transition', 'progress']);
    expect(reader.status).toBe(200);
    expect(reader.head).toContain('content-type: text/event-stream');
    expect(reader.head).toContain('cache-control: no-store');
    expect(reader.head).toContain('x-content-type-options: nosniff');
    await other.call('POST', `${replay}/pause`, { reason: 'load\nof\r\nthe receiver' });
    await expect.poll(() => reader.of('transition').length).toBe(3);
    await other.call('POST', `${replay}/cancel`);
    await reader.closed;
    expect(seen(reader)).toEqual(await history(replay));
    expect(reader.of('transition').map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
    expect(reader.of('progress').every(({ id }) => id === null)).toBe(true);
    const shown = (await api.call('GET', replay)).body ?? {};
    const last = reader.events.slice(-2);
    expect(last.map(({ type }) => type)).toEqual(['progress', 'end']);
    for (const { data } of last) {
      expect(data).toMatchObject({ state: 'CANCELLED', version: 5 });
      for (const [name, value] of Object.entries(data)) expect(value, name).toEqual(shown[name]);
    }
  });

  it('tells progress that is no transition', async () => {
    const replay = await newReplay();
    const jobs = createJobStore(api.database.open());
    const claim = await jobs.claim({ instance: asInstanceId('here'), leaseMs: 30_000, maxRepeat: 5 });
    if (!claim || !replay.includes(claim.job.id)) throw new Error('another job was claimed');
    const reader = read(`${replay}/stream`);
    await expect.poll(() => reader.of('progress').length).toBe(1);
    const steps = [
      [() => jobs.saveCut(claim.lease, bareCut(5)), { counts: bareCut(5).counts.delivered }],
      [() => jobs.heartbeat(claim.lease, 30_000, 5, { ...BEAT, rate: 17.5 }), { rate: 17.5 }],
    ] as const;
    for (const [step, expected] of steps) {
      const before = reader.of('progress').length;
      await step();
      await expect.poll(() => reader.of('progress').length).toBe(before + 1);
      if ('rate' in expected) expect(reader.of('progress').at(-1)?.data).toMatchObject(expected);
      else expect(reader.of('progress').at(-1)?.data['counts']).toMatchObject({ delivered: expected.counts });
    }
    await api.call('POST', `${replay}/cancel`);
    await jobs.commit(claim.job.id, { type: 'RELEASED', fence: claim.lease.fence, why: 'test' }, claim.lease);
  });

  it('goes on behind the last event; the header counts more than the query', async () => {
    const replay = await newReplay();
    // A request and what it leads to: two facts.
    await api.call('POST', `${replay}/pause`);
    await api.call('PATCH', replay, { maxRate: 5 });
    for (const [query, headers, expected] of [
      ['', { 'last-event-id': '2' }, ['3', '4']],
      ['?lastEventId=3', {}, ['4']],
      ['?lastEventId=1', { 'last-event-id': '3' }, ['4']],
      ['?lastEventId=0', {}, ['1', '2', '3', '4']],
      ['', { 'last-event-id': '4' }, []],
    ] as const) {
      const reader = read(`${replay}/stream${query}`, headers, other);
      await expect.poll(() => reader.of('progress').length).toBe(1);
      expect(reader.of('transition').map(({ id }) => id)).toEqual(expected);
    }
  });

  it('of an ended replay: the rest and the end; then 204, so that an EventSource stops asking', async () => {
    const replay = await newReplay();
    await api.call('POST', `${replay}/cancel`);
    const reader = read(`${replay}/stream`, { 'last-event-id': '2' });
    await reader.closed;
    expect(reader.events.map(({ type, id }) => [type, id])).toEqual([
      ['transition', '3'],
      ['progress', null],
      ['end', null],
    ]);
    const again = await api.call('GET', `${replay}/stream`, undefined, { 'last-event-id': '3' });
    expect([again.status, again.text]).toEqual([204, '']);
  });

  it('outlives the deadlines of requests, with comments while nothing happens', async () => {
    const replay = await newReplay();
    const reader = read(`${replay}/stream`);
    // Three times 4 s: longer than a request may take to arrive.
    await expect.poll(() => reader.comments, { timeout: 30_000 }).toBeGreaterThanOrEqual(3);
    await api.call('POST', `${replay}/cancel`);
    await reader.closed;
    expect(reader.of('end')).toHaveLength(1);
  });
});

describe('what is no stream', () => {
  it.each([
    ['without a key', {}, { authorization: 'Bearer wrong' }, 401, 'unauthorized'],
    ['of another tenant', {}, { authorization: `Bearer ${FOREIGN_KEY}` }, 404, 'not_found'],
    ['behind what there is', {}, { 'last-event-id': '2' }, 400, 'invalid_request'],
    ['from no number', {}, { 'last-event-id': 'x' }, 400, 'invalid_request'],
    ['with an unknown field', { query: '?from=1' }, {}, 400, 'invalid_request'],
  ])('%s is a problem document', async (_name, { query = '' }: { query?: string }, headers, status, code) => {
    const got = await api.call('GET', `${await newReplay()}/stream${query}`, undefined, headers);
    expect([got.status, problemOf(got).code]).toEqual([status, code]);
  });

  it('nor is an unknown replay, nor a HEAD', async () => {
    expect((await api.call('GET', '/v1/replays/1/stream')).status).toBe(404);
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const got = await fetch(`${api.url}${await newReplay()}/stream`, { method: 'HEAD', headers });
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('limits', () => {
  it('one poll feeds all streams; a sixth of a tenant is refused, and nobody polls when all are gone', async () => {
    const replays = await Promise.all(Array.from({ length: 3 }, newReplay));
    const open = replays.flatMap((replay, n) => (n < 2 ? [replay, replay] : [replay]));
    const mine = open.map((replay) => read(`${replay}/stream`));
    await expect.poll(() => mine.filter(({ events }) => events.length === 2).length).toBe(5);
    const got = await api.call('GET', `${replays[0] ?? ''}/stream`);
    expect([got.status, problemOf(got).code, problemOf(got).retryable]).toEqual([
      429,
      'too_many_requests',
      true,
    ]);
    asked.length = 0;
    await expect.poll(() => asked.length).toBeGreaterThan(5);
    expect(new Set(asked)).toEqual(new Set(['look 3']));
    mine[0]?.close();
    await expect.poll(openStreams).toBe(4);
    const next = read(`${replays[0] ?? ''}/stream`);
    await expect.poll(() => next.events.length).toBe(2);
    for (const each of [...mine, next]) each.close();
    await expect.poll(openStreams).toBe(0);
    // The pass that was under way ends; then there is none.
    let polls = -1;
    await expect
      .poll(() => [polls, (polls = asked.length)], { interval: 200 })
      .toSatisfy(([before, now]: number[]) => before === now);
  });

  it('an instance without a place says so, another one may have it', async () => {
    const small = await openApi(undefined, { beside: api, streams: { most: 1 } });
    const replay = await newReplay();
    read(`${replay}/stream`, {}, small);
    await expect.poll(() => small.heard).toContain('stream.open');
    const got = await small.call('GET', `${replay}/stream`);
    expect([got.status, problemOf(got).code]).toEqual([503, 'streams_full']);
    expect(got.headers.get('retry-after')).toBe('1');
    await small.close();
  });

  it('a client that does not read is dropped, holds next to nothing, and goes on where it was', async () => {
    const slow = await openApi(undefined, { beside: api, streams: { stallMs: 400 } });
    const replay = await newReplay();
    const id = BigInt(replay.split('/').at(-1) ?? '');
    const COUNT = 250;
    // More than the sockets' own buffers take.
    await api.database.query(
      `INSERT INTO job_transitions (job_id, seq, type, from_state, to_state, fence, owner, by_whom, why, body, tx_tag, at)
       WITH RECURSIVE n AS (SELECT 2 AS seq UNION ALL SELECT seq + 1 FROM n WHERE seq < ${COUNT})
       SELECT ?, seq, 'PAUSED', 'OPEN', 'OPEN', 0, NULL, NULL, NULL, JSON_OBJECT('fill', REPEAT('x', 60000)), 't',
         UTC_TIMESTAMP(6) FROM n`,
      [id],
    );
    await api.database.query('UPDATE replay_jobs SET version = ? WHERE id = ?', [COUNT, id]);
    const reader = read(`${replay}/stream`, {}, slow);
    await expect.poll(() => reader.events.length).toBeGreaterThan(0);
    reader.stopReading();
    await expect.poll(() => slow.heard, { timeout: 10_000 }).toContain('stream.dropped');
    reader.goOn();
    await reader.closed;
    const got = reader.of('transition').length;
    expect(got).toBeLessThan(COUNT);
    const again = read(`${replay}/stream`, { 'last-event-id': String(reader.last) }, slow);
    await expect.poll(() => again.last, { timeout: 20_000 }).toBe(String(COUNT));
    const ids = [...reader.of('transition'), ...again.of('transition')].map((event) => Number(event.id));
    expect(ids).toEqual(Array.from({ length: COUNT }, (_, n) => n + 1));
    again.close();
    await again.closed;
    await slow.close();
  }, 60_000);
});

it('a stop of the server ends its streams at once, also of a client that does not read', async () => {
  const short = await openApi(undefined, { beside: api });
  const replay = await newReplay();
  const mine = [1, 2, 3].map(() => read(`${replay}/stream`, {}, short));
  await expect.poll(() => mine.filter(({ events }) => events.length === 2).length).toBe(3);
  mine[0]?.stopReading();
  const startedMs = performance.now();
  await short.close();
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  for (const each of mine) {
    each.goOn();
    await each.closed;
    expect(each.of('end')).toEqual([]);
  }
});

describe('a client that is cut off at random bytes', () => {
  const seed = Number(process.env['REPRISE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  /** mulberry32 */
  const random = ((state: number) => () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  })(seed);

  /** Reads to the end over as many connections as it takes, to either instance. */
  async function follow(replay: string, draw: () => number) {
    const ids: string[] = [];
    const facts: unknown[] = [];
    let connections = 0;
    for (;;) {
      const headers = ids.length === 0 ? {} : { 'last-event-id': ids.at(-1) ?? '' };
      const url = `${(draw() < 0.5 ? api : other).url}${replay}/stream`;
      // The head alone has about 1,200 bytes, an event about 500.
      const reader = new EventReader(url, headers, 1 + Math.floor(draw() * 9_000));
      connections++;
      await reader.closed;
      if (reader.status === 429) continue;
      ids.push(...reader.of('transition').map(({ id }) => id ?? 'none'));
      facts.push(...seen(reader));
      if (reader.status === 204 || reader.of('end').length > 0) return { ids, facts, connections };
    }
  }

  it('sees every transition exactly once, from any instance', async () => {
    console.log(`seed ${seed} (REPRISE_TEST_SEED repeats it)`);
    const replays = await Promise.all([newReplay(), newReplay()]);
    const clients = replays.flatMap((replay) => [1, 2].map(() => follow(replay, random)));
    for (let n = 0; n < 24; n++) {
      for (const replay of replays) {
        const from = random() < 0.5 ? api : other;
        const got = await from.call('POST', `${replay}/${n % 2 === 0 ? 'pause' : 'resume'}`);
        expect(got.status, got.text).toBe(202);
      }
    }
    for (const replay of replays) await api.call('POST', `${replay}/cancel`);
    const all = await Promise.all(clients);
    for (const [n, { ids, facts }] of all.entries()) {
      const expected = await history(replays[n >> 1] ?? '');
      // The request, two facts for each step, two for the end.
      expect(expected).toHaveLength(51);
      expect(ids, `client ${n}, seed ${seed}`).toEqual(expected.map((_, at) => String(at + 1)));
      expect(facts).toEqual(expected);
    }
    console.log(`${all.map(({ connections }) => connections).join(', ')} connections`);
    expect(Math.min(...all.map(({ connections }) => connections))).toBeGreaterThan(3);
  }, 120_000);
});
