// Runs of plans on a real broker: exactly the pinned offsets, however the log grew meanwhile; what became of a log that
// lost records or was replaced between plan and run; an owner that is killed in the middle.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobView } from '../../src/domain/store.ts';
import type { RawRecord } from '../support/kafka-log.ts';
import { Scene } from '../support/scene.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';
import { TopicAdmin } from '../support/topic-admin.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const ASKED = { from: new Date(RANGE.fromMs).toISOString(), to: new Date(RANGE.toMs).toISOString() };

interface Plan {
  readonly id: string;
  readonly maxRecords: number | null;
  readonly records: number;
  readonly sources: readonly {
    readonly source: string;
    readonly start: string;
    readonly end: string | null;
  }[];
  readonly warnings: readonly {
    readonly code: string;
    readonly detail: string;
    readonly replayId: string | null;
  }[];
}

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ partitions: 8 });
});
afterAll(() => stage.close());

/** Deletion is the partition's, so each test has its own. */
let partitions = 0;
const listen = (draft: Record<string, unknown> = {}) =>
  stage.listen({ key: keyIn(partitions++, stage.scene.partitions), ...draft });

const event = (key: string, id: string, timestampMs: number): RawRecord => ({
  key,
  eventId: id,
  value: `event ${id}`,
  timestampMs,
});
const numbered = (key: string, name: string, count: number, stepMs = 1_000): readonly RawRecord[] =>
  Array.from({ length: count }, (_, index) => event(key, `${name}${index}`, FROM + index * stepMs));
const ids = (records: readonly RawRecord[]) => records.map(({ eventId }) => eventId);
const write = (records: readonly RawRecord[]) => stage.log.write(stage.scene.topic, records);

async function planned(
  { webhook }: Pick<Listener, 'webhook'>,
  more = {},
  at = stage.instance,
): Promise<Plan> {
  const path = `/v1/webhooks/${webhook.id}/replay-plans`;
  const { status, body } = await at.call<Plan>('POST', path, { ...ASKED, ...more });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

async function asked(
  { webhook }: Pick<Listener, 'webhook'>,
  planId: string,
  at = stage.instance,
): Promise<string> {
  const path = `/v1/webhooks/${webhook.id}/replays`;
  const { status, body } = await at.call<{ id: string }>('POST', path, { planId });
  expect(status, JSON.stringify(body)).toBe(202);
  return body.id;
}

const pinsOf = ({ pins }: JobView) =>
  pins?.map(({ source, start, end }) => ({ source, start: String(start), end: String(end) }));

test.each(['bounded', 'full'] as const)(
  'a log that grows after the plan adds nothing to its run, scan %s',
  async (scan) => {
    const listener = await listen();
    const { key, partition } = listener;
    const before = numbered(key, 'e', 60);
    const foreign = numbered(keyIn(partition, stage.scene.partitions), 'f', 40);
    await write([event(key, 'too-old', FROM - 1), ...before, ...before.slice(0, 5), ...foreign]);
    const plan = await planned(listener, { scan });
    expect(plan).toMatchObject({ maxRecords: 105, warnings: [] });
    // Late ones inside the range, repeats of what is planned, later ones, and others' in the same partition.
    await write([...numbered(key, 'late', 30), ...before, ...foreign, event(key, 'after', RANGE.toMs + 1)]);
    const job = await stage.scene.untilState(await asked(listener, plan.id), 'COMPLETED');
    expect(listener.ids.toSorted()).toEqual(ids(before).toSorted());
    expect(job.counts.scanned).toBeLessThanOrEqual(plan.maxRecords ?? 0);
    expect(job).toMatchObject({
      outcome: 'complete',
      spec: { kind: 'plan', plan: { planId: plan.id } },
      counts: { matched: 65, delivered: 60, duplicates: 5 },
    });
    expect(pinsOf(job)).toEqual(plan.sources.map(({ source, start, end }) => ({ source, start, end })));
    expect(await stage.scene.facts(job.id)).toEqual(['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED']);
    // The late ones are there for whoever plans after them.
    const anew = await planned(listener);
    expect(anew.warnings).toMatchObject([{ code: 'already_replayed', replayId: job.id }]);
    await stage.scene.untilState(await asked(listener, anew.id), 'COMPLETED');
    expect(new Set(listener.ids)).toEqual(new Set([...ids(before), ...ids(numbered(key, 'late', 30))]));
  },
);

test('a plan of nothing replays nothing, also when the range has events by then', async () => {
  const listener = await listen();
  const plan = await planned(listener);
  expect(plan).toMatchObject({ maxRecords: 0, records: 0 });
  await write(numbered(listener.key, 'late', 5));
  const job = await stage.scene.untilState(await asked(listener, plan.id), 'COMPLETED');
  expect(await stage.scene.facts(job.id)).toEqual(['REQUESTED', 'CLAIMED', 'NOTHING_TO_REPLAY']);
  expect(listener.ids).toEqual([]);
});

test('a beginning that retention took before the plan is warned of, and makes its run incomplete', async () => {
  const listener = await listen();
  await write(numbered(listener.key, 'e', 20));
  await stage.log.deleteBefore(stage.scene.topic, listener.partition, 8);
  const plan = await planned(listener);
  expect(plan).toMatchObject({ maxRecords: 12, warnings: [{ code: 'retention' }] });
  expect(plan.warnings[0]?.detail).toContain('offset 8');
  const job = await stage.scene.untilState(await asked(listener, plan.id), 'COMPLETED');
  expect(listener.ids.toSorted()).toEqual(ids(numbered(listener.key, 'e', 20).slice(8)).toSorted());
  expect(job).toMatchObject({ outcome: 'incomplete', gaps: [{ from: 0, to: 8, reason: 'retention' }] });
});

test('what retention takes between plan and run is a gap', async () => {
  const listener = await listen();
  await write(numbered(listener.key, 'e', 20));
  const plan = await planned(listener);
  expect(plan.warnings).toEqual([]);
  await write(numbered(listener.key, 'late', 5));
  await stage.log.deleteBefore(stage.scene.topic, listener.partition, 15);
  const job = await stage.scene.untilState(await asked(listener, plan.id), 'COMPLETED');
  expect(listener.ids.toSorted()).toEqual(['e15', 'e16', 'e17', 'e18', 'e19']);
  expect(job).toMatchObject({
    outcome: 'incomplete',
    gaps: [{ from: 0, to: 15, reason: 'retention' }],
    counts: { scanned: 5 },
  });
});

test('a plan whose range was too young is pinned by its run, once the range is settled', async () => {
  const scene = await Scene.open({ env: { REPRISE_SETTLE_MS: '2000' } });
  try {
    const instance = await scene.start('young');
    const webhook = await scene.webhook(instance);
    const toMs = Date.now();
    const to = new Date(toMs).toISOString();
    const record = (eventId: string) => ({
      key: webhook.key,
      value: eventId,
      timestampMs: toMs - 1,
      eventId,
    });
    await scene.writer.write(scene.topic, [record('first')]);
    const plan = await planned({ webhook }, { to }, instance);
    expect(plan).toMatchObject({ maxRecords: null, records: 1, sources: [{ end: null }] });
    expect(plan.warnings).toMatchObject([{ code: 'not_settled' }]);
    await scene.writer.write(scene.topic, [record('second')]);
    const job = await scene.untilState(await asked({ webhook }, plan.id, instance), 'COMPLETED');
    expect(await scene.facts(job.id)).toContain('ENDS_PINNED');
    expect([...scene.answered(job.id).keys()].toSorted()).toEqual(['first', 'second']);
  } finally {
    await scene.close();
  }
});

test('a run whose owner is killed goes on with the pins of the plan', async () => {
  const scene = await Scene.open();
  try {
    const instance = await scene.start('killed');
    const webhook = await scene.webhook(instance, { maxRate: 400 });
    const story = await scene.tell(webhook, 1_000);
    const plan = await planned({ webhook }, {}, instance);
    const more = await scene.tell(webhook, 50, 'late');
    expect(more.fromMs).toBeLessThan(RANGE.toMs);
    const id = await asked({ webhook }, plan.id, instance);
    await scene.until(id, ({ counts }) => counts.delivered > 100);
    await instance.kill();
    await scene.start('heir');
    const job = await scene.untilState(id, 'COMPLETED');
    expect(job.reclaims).toBe(1);
    await scene.checkComplete(id, story.ids);
    expect(job.counts.scanned).toBeLessThanOrEqual(plan.maxRecords ?? 0);
  } finally {
    await scene.close();
  }
});

test('a log that was replaced between plan and run fails the run, and nothing of it is sent', async () => {
  const scene = await Scene.open();
  const admin = await TopicAdmin.open(process.env['REPRISE_TEST_BROKERS'] ?? '');
  try {
    const instance = await scene.start('replaced');
    const webhook = await scene.webhook(instance);
    await scene.tell(webhook, 20);
    const plan = await planned({ webhook }, {}, instance);
    await admin.remove(scene.topic);
    await admin.create(scene.topic, scene.partitions);
    await scene.tell(webhook, 20, 'other');
    const id = await asked({ webhook }, plan.id, instance);
    const job = await scene.untilState(id, 'FAILED');
    expect(job).toMatchObject({ failReason: 'log_replaced', pins: null });
    expect(scene.answered().size).toBe(0);
    const again = await instance.call('POST', `/v1/webhooks/${webhook.id}/replays`, { planId: plan.id });
    expect(again).toMatchObject({ status: 409, body: { code: 'plan_used' } });
  } finally {
    await Promise.all([scene.close(), admin.close()]);
  }
});
