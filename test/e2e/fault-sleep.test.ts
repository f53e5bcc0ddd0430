// An owner that slept past its lease (SIGSTOP, as a paused VM or a swapped-out process would) wakes up after
// another instance took its job over. It must find out by itself, and nothing that it does may count.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { asJobId } from '../../src/domain/ids.ts';
import type { LeaseKey } from '../../src/domain/store.ts';
import { createJobStore } from '../../src/store/job-store.ts';
import { rowOf } from '../support/database.ts';
import { BEAT } from '../support/example.ts';
import { held } from '../support/hold.ts';
import type { Instance } from '../support/instance.ts';
import type { Received } from '../support/receiver.ts';
import { Scene } from '../support/scene.ts';

const EVENTS = 400;
const MAX_REPEAT = 40;
let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open({ env: { REPRISE_MAX_REPEAT: String(MAX_REPEAT) } });
});
afterEach(() => scene.close());

const fenceOf = ({ headers }: Received): number => Number(headers['reprise-fence']);
const ofFence = (fence: number): Received[] =>
  scene.receiver.records.filter((each) => fenceOf(each) === fence);

/** Both owners are held half way: the first asleep with POSTs in flight, the second with answers outstanding. */
async function asleepAndTakenOver() {
  const a = await scene.start('a');
  const webhook = await scene.webhook(a);
  const story = await scene.tell(webhook, EVENTS);
  const [first, second] = [held(), held()];
  scene.receiver.set((request) => {
    if (fenceOf(request) > 1) return scene.receiver.accepted < 200 ? { status: 200 } : second.answer;
    return scene.receiver.accepted < 100 ? { status: 200 } : first.answer;
  });
  const id = await scene.replay(a, webhook, story);
  await scene.receiver.waitFor(({ accepted }) => accepted >= 100);
  const [key, b] = await Promise.all([leaseOf(id), scene.start('b')]);
  a.signal('SIGSTOP');
  await scene.until(id, ({ fence, state }) => fence === 2 && state === 'ONGOING');
  await scene.receiver.waitFor(({ accepted }) => accepted >= 200);
  return { a, b, id, story, key, first, second };
}

async function leaseOf(id: string): Promise<LeaseKey> {
  const { fence, lease_token } = await rowOf(scene.database, id);
  return { jobId: asJobId(id), fence, token: lease_token ?? '' };
}

test('a sleeper that wakes while the next owner works changes nothing, and its POSTs end', async () => {
  const { a, id, story, first, second } = await asleepAndTakenOver();
  const sent = ofFence(1).length;
  // Answers lie in its sockets when it wakes: it must neither count them nor send the next ones.
  first.open();
  a.signal('SIGCONT');
  await scene.fact('the sleeper says that it lost its lease', () =>
    Promise.resolve(a.log.includes('lease lost; this instance stops acting')),
  );
  await scene.receiver.waitFor(() => ofFence(1).every(({ endedAtMs }) => endedAtMs !== null));
  expect(ofFence(1)).toHaveLength(sent);
  expect((await scene.job(id)).fence).toBe(2);
  second.open();
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
  expect(ofFence(1)).toHaveLength(sent);
  const fences = (await scene.transitions(id)).map(({ fence }) => fence);
  expect(fences).toEqual([0, 1, 1, 2, 2, 2]);
});

test('requests that a sleeper left open are broken off when it wakes', async () => {
  const { a, id, story, second } = await asleepAndTakenOver();
  const open = ofFence(1).filter(({ endedAtMs }) => endedAtMs === null).length;
  expect(open).toBeGreaterThan(0);
  a.signal('SIGCONT');
  await scene.receiver.waitFor(() => ofFence(1).every(({ endedAtMs }) => endedAtMs !== null));
  second.open();
  await scene.untilState(id, 'COMPLETED');
  // The sleeper's requests were never answered, so nothing of them is a repeat.
  await scene.checkComplete(id, story.ids);
  expect(ofFence(1).filter(({ status }) => status === null)).toHaveLength(open);
});

test('heartbeats, cuts and facts of an old fence are refused, and change no column', async () => {
  const { b, id, story, key, second } = await asleepAndTakenOver();
  const zombie = createJobStore(scene.database.open({ poolSize: 1 }));
  b.signal('SIGSTOP');
  const before = await rowOf(scene.database, id);
  const { cut, counts } = await scene.job(id);
  const write = { cut: cut ?? {}, counts, progress: 0, deadLetters: [], gaps: [], minutes: [] };
  expect(await zombie.heartbeat(key, 60_000, 0, BEAT)).toBe('lost');
  expect(await zombie.saveCut(key, write)).toBe('fenced');
  const fact = { type: 'DRAINED', fence: key.fence, outcome: 'complete' } as const;
  expect(await zombie.commit(key.jobId, fact, key, write)).toMatchObject({ ok: false, why: 'fenced' });
  const forged = { ...fact, fence: 2 };
  expect(await zombie.commit(key.jobId, forged, { ...key, fence: 2 })).toMatchObject({
    ok: false,
    why: 'fenced',
  });
  expect(await rowOf(scene.database, id)).toEqual(before);
  b.signal('SIGCONT');
  second.open();
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
});

test('a sleeper that wakes after the job is over leaves row and history as they are', async () => {
  const { a, id, story, first, second } = await asleepAndTakenOver();
  second.open();
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids);
  const [row, history, sent] = [
    await rowOf(scene.database, id),
    await scene.transitions(id),
    ofFence(1).length,
  ];
  first.open();
  a.signal('SIGCONT');
  await scene.receiver.waitFor(() => ofFence(1).every(({ endedAtMs }) => endedAtMs !== null));
  await scene.fact('the sleeper let the job go', () => runsNothing(a));
  expect(await rowOf(scene.database, id)).toEqual(row);
  expect(await scene.transitions(id)).toEqual(history);
  expect(ofFence(1)).toHaveLength(sent);
});

async function runsNothing({ url }: Instance): Promise<boolean> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return /^reprise_running_jobs 0$/m.test(metrics);
}
