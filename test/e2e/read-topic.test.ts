// A topic that is not the same any more while replays read it: deleted, restored, created again with other content
// or less of it, with the broker's times, with more partitions. What a job holds of it is never mixed with what is
// there now: it waits, ends with a gap, ends FAILED, or the process ends, and always says why.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { held } from '../support/hold.ts';
import type { RawRecord } from '../support/kafka-log.ts';
import { readinessOf } from '../support/own-servers.ts';
import { Stage, keyIn } from '../support/stage.ts';
import type { Listener, Range } from '../support/stage.ts';
import { TopicAdmin } from '../support/topic-admin.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE: Range = { fromMs: FROM, toMs: FROM + 600_000 };
const PARTITIONS = 8;

let stage: Stage;
let admin: TopicAdmin;
let topic: string;
beforeAll(async () => {
  const brokers = process.env['REPRISE_TEST_BROKERS'] ?? '';
  [stage, admin] = await Promise.all([
    // The smallest budget: most of a log is still to be read when a replay is held.
    Stage.open({ partitions: PARTITIONS, env: { REPRISE_MEMORY_BUDGET_BYTES: '2097152' } }),
    TopicAdmin.open(brokers),
  ]);
  topic = stage.scene.topic;
});
afterAll(async () => {
  await Promise.all([admin.close(), stage.close()]);
});

let partitions = 0;
const listen = () => stage.listen({ key: keyIn(partitions++, PARTITIONS), concurrency: 1 });

/** Batches of five events of 80 KB, one event per second, named from 0 on. */
function batches({ key }: Listener, count: number, name = ''): readonly RawRecord[][] {
  return Array.from({ length: count }, (_, batch) =>
    Array.from({ length: 5 }, (_, index) => ({
      key,
      eventId: `${name}${batch * 5 + index}`,
      value: randomBytes(80_000),
      timestampMs: FROM + (batch * 5 + index) * 1_000,
    })),
  );
}
async function write(all: readonly (readonly RawRecord[])[]): Promise<void> {
  for (const batch of all) await stage.log.write(topic, batch);
}
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

/** A replay that has delivered `delivered` events and waits for an answer; the answers come with `open`. */
async function holdAfter(delivered: number, listener: Listener, more: Partial<Range> = {}) {
  const gate = held();
  listener.receiver.set(({ number }) => (number <= delivered ? { status: 200 } : gate.answer));
  const id = await listener.request({ ...RANGE, ...more });
  await listener.receiver.waitFor(({ requests }) => requests === delivered + 1);
  return { id, gate };
}

/** Nobody may read the topic before it is as it shall be: a reader must not meet it half written. */
async function recreate(fill: () => Promise<void>, meanwhile?: () => Promise<void>) {
  await admin.remove(topic);
  await meanwhile?.();
  await admin.denyReading(topic);
  await admin.create(topic, PARTITIONS);
  await fill();
  await admin.allowReading(topic);
}

async function waitsFor(id: string, words: RegExp): Promise<void> {
  await stage.scene.fact(`replay ${id} waits for ${String(words)}`, async () => {
    const { body } = await stage.instance.call('GET', `/v1/replays/${id}`);
    return words.test(String(body['waiting']));
  });
}

test('a topic that is deleted is waited for; restored as it was, it is read on from the same offset', async () => {
  const listener = await listen();
  const all = batches(listener, 30);
  await write(all);
  const { id, gate } = await holdAfter(2, listener);
  await recreate(
    () => write(all),
    async () => {
      gate.open();
      await waitsFor(id, /unknown|does not host/);
      expect(listener.ids.length).toBeLessThan(150);
      expect((await stage.scene.job(id)).state).toBe('ONGOING');
    },
  );
  const job = await stage.scene.untilState(id, 'COMPLETED');
  expect(listener.ids).toEqual(numbers(0, 150));
  expect(job).toMatchObject({ outcome: 'complete', gaps: [], counts: { delivered: 150, duplicates: 0 } });
  expect(await stage.scene.facts(id)).toEqual(['REQUESTED', 'CLAIMED', 'OFFSETS_RESOLVED', 'DRAINED']);
});

test('a topic that is created again is not taken for the one that was there', async () => {
  const [paused, short, other] = [await listen(), await listen(), await listen()];
  const shortBatches = batches(short, 30);
  await write([...batches(paused, 20), ...shortBatches, ...batches(other, 30)]);
  const jobs = {
    paused: await holdAfter(2, paused, { maxRate: 20 }),
    short: await holdAfter(2, short),
    other: await holdAfter(2, other),
  };
  const steer = (what: string) => stage.instance.call('POST', `/v1/replays/${jobs.paused.id}/${what}`, {});
  expect((await steer('pause')).status).toBeLessThan(300);
  jobs.paused.gate.open();
  const { counts } = await stage.scene.untilState(jobs.paused.id, 'PAUSED');

  await recreate(() =>
    write([...batches(paused, 20, 'x'), ...shortBatches.slice(0, 1), ...batches(other, 30, 'x')]),
  );
  jobs.short.gate.open();
  jobs.other.gate.open();
  expect((await steer('resume')).status).toBeLessThan(300);

  const failed = await stage.scene.untilState(jobs.paused.id, 'FAILED');
  expect(failed.failReason).toBe('log_replaced');
  expect(paused.ids).toEqual(numbers(0, counts.delivered));

  const truncated = await stage.scene.untilState(jobs.short.id, 'COMPLETED');
  const read = short.ids.length;
  expect(short.ids).toEqual(numbers(0, read));
  expect(truncated.outcome).toBe('incomplete');
  expect(truncated.gaps).toEqual([{ source: `dc1/${topic}`, from: read, to: 150, reason: 'truncated' }]);

  await stage.scene.untilState(jobs.other.id, 'FAILED');
  expect(other.ids).toEqual(numbers(0, other.ids.length));
  expect(other.ids.length).toBeLessThan(150);
  expect((await stage.scene.job(jobs.other.id)).failReason).toBe('log_replaced');
  const last = (await stage.scene.transitions(jobs.other.id)).at(-1);
  expect(JSON.stringify(last)).toContain('holds another batch');
});

test("the broker's times in the range end a replay; an instance that starts refuses the topic", async () => {
  const listener = await listen();
  await write(batches(listener, 1));
  // It ends now, so its end is not pinned yet and the replay follows the log.
  const id = await listener.request({ fromMs: FROM, toMs: Date.now() });
  await listener.receiver.waitFor(({ accepted }) => accepted === 5);
  await admin.set(topic, 'message.timestamp.type', 'LogAppendTime');
  // Until the broker has heard of it, records still carry their own times; nobody's of this webhook.
  const { partition } = listener;
  const foreign: RawRecord = { key: 'foreign', value: 'x', timestampMs: FROM, partition };
  const job = await stage.scene.fact(`replay ${id} ends`, async () => {
    await stage.log.write(topic, [foreign]);
    const seen = await stage.scene.job(id);
    return seen.state === 'FAILED' && seen;
  });
  expect(job.failReason).toBe('nothing_readable');
  const why = `topic ${topic} has message.timestamp.type=LogAppendTime`;
  expect(JSON.stringify((await stage.scene.transitions(id)).at(-1))).toContain(why);
  expect(listener.ids).toEqual(numbers(0, 5));

  const late = await stage.scene.launch('late');
  for (const instance of [stage.instance, late]) {
    await stage.scene.fact(`${instance.name} refuses the topic`, async () => {
      const { sites } = await readinessOf(instance);
      return sites.every(({ problem }) => problem?.includes(why));
    });
  }
  await late.kill();
  await admin.set(topic, 'message.timestamp.type', 'CreateTime');
});

test('another number of partitions ends the process, and nothing is pinned meanwhile', async () => {
  const listener = await listen();
  await write(batches(listener, 1));
  const { id: first, gate } = await holdAfter(2, listener);
  // Behind the first one of its webhook, so it has its turn when the topic has changed already.
  const second = await listener.request(RANGE);
  await admin.addPartitions(topic, PARTITIONS + 1);
  gate.open();
  const ended = stage.instance.exited.then((code) => ({ code }));
  const late = new Promise<null>((resolve) => setTimeout(resolve, 45_000, null));
  expect((await Promise.race([ended, late]))?.code, stage.scene.logs()).toBe(1);
  expect(stage.instance.log).toContain(
    `reprise cannot go on: topic ${topic} has ${PARTITIONS + 1} partitions, not ${PARTITIONS}`,
  );
  expect(new Set(listener.receiver.records.map(({ headers }) => headers['reprise-job-id']))).toEqual(
    new Set([first]),
  );
  expect((await stage.scene.job(second)).state).toBe('OPEN');
  expect(await stage.scene.facts(second)).not.toContain('OFFSETS_RESOLVED');
});
