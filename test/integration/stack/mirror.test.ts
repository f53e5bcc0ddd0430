// Two clusters of the stack and the real MirrorMaker 2 between them: what arrives at the other site, and that it goes
// on whoever was killed. On servers of its own.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startStack, statusOf } from '../../../scripts/stack/stack.ts';
import type { Stack } from '../../../scripts/stack/stack.ts';
import { KafkaLog } from '../../support/kafka-log.ts';
import { TopicAdmin } from '../../support/topic-admin.ts';
import { TopicTail } from '../../support/topic-tail.ts';

const TOPIC = 'delivery_log';
const PARTITIONS = 3;
const NOON = Date.UTC(2026, 0, 15, 12);
let stack: Stack;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  // Nothing exists yet that MirrorMaker could copy.
  stack = await startStack({
    name: `mirror-${process.pid}`,
    database: 'none',
    sites: ['dc1', 'dc2'],
    tied: true,
  });
  for (const { brokers } of stack.sites) await createTopic(brokers, TOPIC);
  await stack.untilMirrored(TOPIC);
}, 180_000);
afterAll(() => stack.stop({ wipe: true }));
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function brokersOf(name: string): string {
  const site = stack.sites.find((each) => each.name === name);
  if (!site) throw new Error(`no site ${name}`);
  return site.brokers;
}

async function createTopic(brokers: string, topic: string): Promise<void> {
  const admin = await TopicAdmin.open(brokers);
  await admin.create(topic, PARTITIONS);
  await admin.close();
}

async function logAt(site: string): Promise<KafkaLog> {
  const log = await KafkaLog.open(brokersOf(site));
  closing.push(() => log.close());
  return log;
}

async function tailAt(site: string, topic: string): Promise<TopicTail> {
  const tail = await TopicTail.open(brokersOf(site), topic);
  closing.push(() => tail.close());
  return tail;
}

/** A record whose text says what it is; all in one partition, so that their order is told. */
const record = (value: string) => ({ key: 'k', value, timestampMs: NOON, partition: 0 });

/** Writes one record at a site and waits until the other has the copy. */
async function crosses(from: string, to: string, text: string): Promise<TopicTail> {
  const log = await logAt(from);
  await log.write(TOPIC, [record(text)]);
  return (await tailAt(to, `${from}.${TOPIC}`)).untilSeen(text);
}

/** State of a process and its children: R, S, T (stopped), .. */
function statesOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const own = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return [own, ...children.flatMap((child) => statesOf(Number(child)))];
}

test('the exports name own and copied topics of each site', () => {
  expect(stack.sitesSetting).toBe(
    `dc1=${brokersOf('dc1')}/delivery_log+dc2.delivery_log;dc2=${brokersOf('dc2')}/delivery_log+dc1.delivery_log`,
  );
});

test('a record arrives with key, value, headers, time and partition; an aborted one does not', async () => {
  const [here, there] = [await logAt('dc1'), await logAt('dc2')];
  const large = randomBytes(2_000_000).toString('hex');
  const aborted = await here.begin(TOPIC, 'gone', [record('aborted')]);
  await aborted.abort();
  const committed = await here.begin(TOPIC, 'kept', [record('committed')]);
  await committed.commit();
  await here.write(TOPIC, [
    { key: 'a', value: 'one', timestampMs: NOON + 1, eventId: ['x', 'y'], partition: 2 },
    { key: null, value: null, timestampMs: NOON - 86_400_000, partition: 2 },
    { key: 'a', value: 'two', timestampMs: NOON, eventId: 'z', partition: 2 },
  ]);
  await here.write(TOPIC, [record(large)]);
  await here.write(TOPIC, [record('last')]);
  await there.write(TOPIC, [record('back')]);

  const copy = await (await tailAt('dc2', `dc1.${TOPIC}`)).untilSeen('last');
  await copy.untilSeen('two');
  const of = (partition: number) => copy.records.filter((each) => each.partition === partition);
  expect(of(0).map(({ value }) => String(value))).toEqual(['committed', large, 'last']);
  expect(of(2).map((each) => ({ ...each, value: each.value?.toString() ?? null }))).toEqual([
    { partition: 2, key: 'a', value: 'one', timestampMs: NOON + 1, headers: { 'event-id': ['x', 'y'] } },
    { partition: 2, key: null, value: null, timestampMs: NOON - 86_400_000, headers: {} },
    { partition: 2, key: 'a', value: 'two', timestampMs: NOON, headers: { 'event-id': ['z'] } },
  ]);
  const back = await (await tailAt('dc1', `dc2.${TOPIC}`)).untilSeen('back');
  expect(back.texts).toEqual(['back']);
});

test('MirrorMaker is killed: what was written meanwhile arrives behind what is there', async () => {
  const before = await crosses('dc1', 'dc2', 'before the kill');
  await stack.killMirror();
  expect(statusOf(stack.name).running['mirror']).toBeUndefined();
  const log = await logAt('dc1');
  await log.write(TOPIC, [record('while it is dead')]);
  await stack.startMirror();
  await before.untilSeen('while it is dead');
  // It may repeat what it had not noted as copied, older records too, and leaves nothing out.
  expect(before.texts).toContain('before the kill');
  expect(before.texts.at(-1)).toBe('while it is dead');
});

test('a frozen MirrorMaker stands still whole, and goes on', async () => {
  const pid = statusOf(stack.name).running['mirror'] ?? 0;
  stack.freezeMirror();
  const log = await logAt('dc2');
  await log.write(TOPIC, [record('while it is frozen')]);
  const states = statesOf(pid);
  stack.thawMirror();
  expect(states.length).toBeGreaterThan(1);
  expect(new Set(states)).toEqual(new Set(['T']));
  await (await tailAt('dc1', `dc2.${TOPIC}`)).untilSeen('while it is frozen');
});

test.each(['dc1', 'dc2'])(
  '%s is killed and comes back: both directions go on',
  async (dead) => {
    await stack.killKafka(dead);
    const alive = dead === 'dc1' ? 'dc2' : 'dc1';
    const log = await logAt(alive);
    await log.write(TOPIC, [record(`while ${dead} is dead`)]);
    await stack.startKafka(dead);
    await (await tailAt(dead, `${alive}.${TOPIC}`)).untilSeen(`while ${dead} is dead`);
    await crosses(dead, alive, `after ${dead} was dead`);
  },
  150_000,
);

test('MirrorMaker starts while a site is dead: it waits for it', async () => {
  await stack.killMirror();
  await stack.killKafka('dc2');
  await stack.startMirror();
  const log = await logAt('dc1');
  await log.write(TOPIC, [record('nobody is there')]);
  await stack.startKafka('dc2');
  await (await tailAt('dc2', `dc1.${TOPIC}`)).untilSeen('nobody is there');
}, 150_000);

test('with the identity policy a topic keeps its name, in one direction', async () => {
  await stack.killMirror();
  const topic = 'same_name';
  await createTopic(brokersOf('dc1'), topic);
  await stack.startMirror([{ from: 'dc1', to: 'dc2', topics: [topic], identity: true }]);
  const log = await logAt('dc1');
  await log.write(topic, [record('kept its name')]);
  await stack.untilMirrored(topic);
  expect((await (await tailAt('dc2', topic)).untilSeen('kept its name')).texts).toEqual(['kept its name']);
});
