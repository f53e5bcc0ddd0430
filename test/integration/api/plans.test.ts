// Plans over REST, with the real planner on a real broker: what a plan tells, what running it takes, what is refused.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LogPlanner, PLANNER_LIMITS } from '../../../src/actors/planner.ts';
import type { PlanLog } from '../../../src/actors/planner.ts';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import { createDeliveryLog } from '../../../src/kafka/delivery-log.ts';
import type { SiteConfig } from '../../../src/kafka/site.ts';
import { freePort } from '../../support/ports.ts';
import { brokers, freshTopic, message, openLog, producer } from '../kafka/cluster.ts';
import { FOREIGN_KEY, fromNow, openApi, problemOf, type ApiUnderTest, type Got } from './api-fixture.ts';

const PARTITIONS = 4;
const HOUR_MS = 3_600_000;
const RANGE = { from: fromNow(-2 * HOUR_MS), to: fromNow(-HOUR_MS) };
const AT_MS = Date.parse(RANGE.from) + 1;
const FOREIGN = { authorization: `Bearer ${FOREIGN_KEY}` };

/** Signals of all planners here. */
const heard: string[] = [];
const closing: (() => Promise<void>)[] = [];
let topic: string;
let log: PlanLog;
let api: ApiUnderTest;
beforeAll(async () => {
  topic = await freshTopic(PARTITIONS);
  ({ log } = openLog(topic));
  api = await open(log);
});
afterAll(async () => {
  for (const close of closing) await close();
});

async function open(of: PlanLog, limits = {}, planTtlMs?: number): Promise<ApiUnderTest> {
  const planner = new LogPlanner(of, (name) => void heard.push(name), { ...PLANNER_LIMITS, ...limits });
  const opened = await openApi(undefined, { planner, ...(planTtlMs !== undefined && { planTtlMs }) });
  closing.push(() => opened.close());
  return opened;
}

interface Hook {
  readonly id: string;
  readonly key: string;
}
async function webhook(at = api): Promise<Hook> {
  const { body } = await at.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  return { id: String(body?.['id']), key: String(body?.['key']) };
}

/** `count` records of 1,000 bytes that do not compress to nothing; in the webhook's partition. */
async function write({ key }: Hook, count: number, atMs = AT_MS): Promise<void> {
  const messages = Array.from({ length: count }, (_, index) => ({
    ...message(`${index} `.padEnd(1_000, 'x')),
    key,
    timestamp: String(atMs + index),
    partition: partitionOf(key, PARTITIONS),
  }));
  await (await producer()).send({ topic, messages });
}

const plan = ({ id }: Hook, more = {}, at = api): Promise<Got> =>
  at.call('POST', `/v1/webhooks/${id}/replay-plans`, { ...RANGE, ...more });
const run = ({ id }: Hook, body: object, at = api, headers = {}): Promise<Got> =>
  at.call('POST', `/v1/webhooks/${id}/replays`, body, headers);

interface Warning {
  readonly code: string;
}
const codes = ({ body }: Got): readonly string[] =>
  ((body?.['warnings'] ?? []) as Warning[]).map(({ code }) => code);

describe('a plan', () => {
  it('pins what a replay would read and tells its bounds', async () => {
    const hook = await webhook();
    await write(hook, 100);
    const made = await plan(hook, { maxRate: 10, scan: 'full' });
    expect(made.status, made.text).toBe(201);
    const partition = partitionOf(hook.key, PARTITIONS);
    const [source] = made.body?.['sources'] as { start: string; end: string; records: number }[];
    expect(source).toMatchObject({ source: `a/${topic}`, site: 'a', topic, partition, copyOf: null });
    expect(Number(source?.end) - Number(source?.start)).toBe(source?.records);
    const { records, maxRecords, eta, endsPinnedAt, createdAt } = made.body as Record<string, unknown>;
    expect(records).toBeGreaterThanOrEqual(100);
    expect(maxRecords).toBe(records);
    expect(endsPinnedAt).toBe(createdAt);
    expect(eta).toMatchObject({ mostMs: Number(records) * 100 });
    expect(made.body).toMatchObject({
      webhookId: hook.id,
      replayId: null,
      ...RANGE,
      order: 'any',
      scan: 'full',
      read: 'failover',
      limits: { maxRate: 10, concurrency: null },
      sites: ['a'],
      partition,
      warnings: [],
    });
    expect(Number(made.body?.['estimatedBytes'])).toBeGreaterThan(Number(records) * 900);
    expect(Number(made.body?.['estimatedBytes'])).toBeLessThan(Number(records) * 1_200);
    const place = made.headers.get('location') ?? '';
    expect(place).toBe(`/v1/replay-plans/${String(made.body?.['id'])}`);
    expect((await api.call('GET', place)).body).toEqual(made.body);
    expect(api.heard).toContain('plan.made');
    expect(made.text).not.toContain(brokers[0] ?? '');
  });

  it('warns of a webhook that failed its checks, and its run is refused', async () => {
    const planner = new LogPlanner(log, (name) => void heard.push(name));
    const strict = await openApi(undefined, { planner, proof: { mode: 'all', attempts: 1 } });
    closing.push(() => strict.close());
    const hook = await webhook(strict);
    expect(codes(await plan(hook, {}, strict))).toEqual([]);
    await strict.call('POST', `/v1/webhooks/${hook.id}/challenges`);
    const made = await plan(hook, {}, strict);
    expect(codes(made)).toEqual(['webhook_invalid']);
    const refused = problemOf(await run(hook, { planId: made.body?.['id'] }, strict));
    expect(refused).toMatchObject({ status: 409, code: 'webhook_invalid' });
  });

  it('of a range that is too young pins no end, and says when that will be', async () => {
    const hook = await webhook();
    const to = fromNow(-1_000);
    const made = await plan(hook, { to });
    expect(made.body).toMatchObject({
      maxRecords: null,
      endsPinnedAt: new Date(Date.parse(to) + 150_000).toISOString(),
      sources: [{ end: null }],
      warnings: [{ code: 'not_settled' }],
    });
  });

  it('warns of a replay that has not ended', async () => {
    const hook = await webhook();
    const { body } = await run(hook, RANGE);
    const made = await plan(hook);
    expect(made.body?.['warnings']).toMatchObject([{ code: 'replay_live', replayId: body?.['id'] }]);
  });

  it('is nobody else’s', async () => {
    const hook = await webhook();
    const { body } = await plan(hook);
    const place = `/v1/replay-plans/${String(body?.['id'])}`;
    expect((await api.call('GET', place, undefined, FOREIGN)).status).toBe(404);
    expect((await api.call('POST', `/v1/webhooks/${hook.id}/replay-plans`, RANGE, FOREIGN)).status).toBe(404);
    expect((await run(hook, { planId: body?.['id'] }, api, FOREIGN)).status).toBe(404);
    expect((await run(await webhook(), { planId: body?.['id'] })).status).toBe(404);
    for (const id of ['0', 'x', '9'.repeat(19)]) {
      expect((await api.call('GET', `/v1/replay-plans/${id}`)).status, id).toBe(404);
      expect((await run(hook, { planId: id })).status, id).toBe(404);
    }
  });

  it('refuses a range as a replay does', async () => {
    const made = await plan(await webhook(), { to: RANGE.from });
    expect(problemOf(made)).toMatchObject({ code: 'invalid_range', errors: [{ pointer: '/to' }] });
  });
});

describe('running a plan', () => {
  it('makes the replay of its pins, with the plan’s options and other limits', async () => {
    const hook = await webhook();
    await write(hook, 3);
    const made = await plan(hook, { maxRate: 10, concurrency: 3, order: 'strict' });
    const planId = String(made.body?.['id']);
    const got = await run(hook, { planId, maxRate: 20 });
    expect(got.status, got.text).toBe(202);
    expect(got.body).toMatchObject({
      ...{ kind: 'plan', planId, ...RANGE, order: 'strict', limits: { maxRate: 20, concurrency: 3 } },
    });
    const look = await api.call('GET', `/v1/replay-plans/${planId}`);
    expect(look.body).toMatchObject({ replayId: got.body?.['id'] });
    const again = await run(hook, { planId });
    expect(problemOf(again)).toMatchObject({ status: 409, code: 'plan_used', retryable: false });
    expect(problemOf(again).detail).toContain(String(got.body?.['id']));
  });

  it('twenty times at once makes one replay', async () => {
    const hook = await webhook();
    const { body } = await plan(hook);
    const answers = await Promise.all(Array.from({ length: 20 }, () => run(hook, { planId: body?.['id'] })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, ...Array<number>(19).fill(409)]);
  });

  it.each([
    ['neither', {}, ['/from', '/to']],
    ['half a range', { from: RANGE.from }, ['/to']],
    ['both', { ...RANGE, planId: '1' }, ['/from', '/to']],
    ['half of both', { to: RANGE.to, planId: '1' }, ['/to']],
    ['what is the plan’s', { planId: '1', order: 'any', read: 'union' }, ['/order', '/read']],
    ['no text', { planId: 1 }, ['/planId']],
  ])('takes a range or a plan, not %s', async (_name, body, pointers) => {
    const got = problemOf(await run(await webhook(), body));
    expect(got).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(got.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it('is over when the plan has expired', async () => {
    const short = await open(log, {}, 1);
    const hook = await webhook(short);
    const { body } = await plan(hook, {}, short);
    const place = `/v1/replay-plans/${String(body?.['id'])}`;
    await expect.poll(async () => (await short.call('GET', place)).status).toBe(404);
    const got = problemOf(await run(hook, { planId: body?.['id'] }, short));
    expect(got).toMatchObject({ status: 404, code: 'not_found' });
    expect(got.detail).toContain('expire');
  });
});

describe('without the log', () => {
  const away = (sites: readonly SiteConfig[]) => {
    const found = createDeliveryLog(
      { sites, partitions: null, disorderSlackMs: 0, openTransactionWaitMs: 0, scanThreads: 1 },
      () => undefined,
    );
    closing.push(() => found.close());
    return found;
  };

  it('a plan is refused within its deadline, and no broker is named', async () => {
    const broker = `127.0.0.1:${await freePort()}`;
    const at = await open(away([{ name: 'dc1', brokers: [broker], topics: [topic] }]), { deadlineMs: 300 });
    const hook = await webhook(at);
    const got = await plan(hook, {}, at);
    expect(problemOf(got)).toMatchObject({ status: 503, code: 'log_unavailable', retryable: true });
    expect(got.headers.get('retry-after')).toBe('1');
    expect(got.text).not.toContain(broker);
    expect(at.heard).not.toContain('plan.made');
    expect(heard).toContain('plan.refused');
  });

  it('of one site of two a plan is made at the other, and says so', async () => {
    const broker = `127.0.0.1:${await freePort()}`;
    const two = away([
      { name: 'dc9', brokers: [broker], topics: [topic] },
      { name: 'dc1', brokers, topics: [topic] },
    ]);
    await two.check();
    const at = await open(two);
    const got = await plan(await webhook(at), {}, at);
    expect(got.body, got.text).toMatchObject({
      sites: ['dc1'],
      warnings: [{ code: 'site_unreachable', site: 'dc9' }],
    });
    expect(got.text).not.toContain(broker);
    const union = await plan(await webhook(at), { read: 'union' }, at);
    expect(codes(union)).toEqual(['site_unreachable']);
  });

  it('only so many plans are made at a time', async () => {
    const gate = Promise.withResolvers<undefined>();
    const slow: PlanLog = {
      sites: log.sites,
      status: () => log.status(),
      ends: (...asked) => log.ends(...asked),
      watermarks: (...asked) => log.watermarks(...asked),
      weigh: (...asked) => log.weigh(...asked),
      lookup: async (...asked) => {
        await gate.promise;
        return await log.lookup(...asked);
      },
    };
    const at = await open(slow, { most: 2 });
    const hook = await webhook(at);
    const answers = Array.from({ length: 3 }, () => plan(hook, {}, at));
    const refused = await Promise.race(answers);
    expect(problemOf(refused)).toMatchObject({ status: 429, code: 'too_many_requests', retryable: true });
    gate.resolve(undefined);
    const all = await Promise.all(answers);
    expect(all.map(({ status }) => status).toSorted()).toEqual([201, 201, 429]);
    expect((await plan(hook, {}, at)).status).toBe(201);
  });
});
