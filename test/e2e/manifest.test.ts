// The manifest of a replay against what its receiver says it took, judged by a program that shares no code with the
// product: the same set of ids per minute, also when owners were killed in full flow.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Instance } from '../support/instance.ts';
import { checkManifest } from '../support/manifest-checker.ts';
import { Receiver } from '../support/receiver.ts';
import { Scene } from '../support/scene.ts';

const EVENTS = 600;
/** Three instances one after the other, and five runs of the checker. */
const DEADLINE_MS = 150_000;
let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open({ env: { REPRISE_MAX_REPEAT: '40' } });
});
afterEach(() => scene.close());

interface Manifest {
  readonly final: boolean;
  readonly minutes: readonly { delivered: number; resent: boolean }[];
  readonly counts: { readonly delivered: number };
  readonly reclaims: number;
  readonly nextCursor: string | null;
}

async function manifestOf(instance: Instance, id: string, query = ''): Promise<Manifest> {
  const { status, body } = await instance.call<Manifest>('GET', `/v1/replays/${id}/manifest${query}`);
  expect(status).toBe(200);
  return body;
}

/** As a receiver would write them down: each request that it answered with 2xx. */
const taken = () =>
  scene.receiver.records
    .filter(({ status }) => status !== null && status < 300)
    .map(({ webhookId, headers }) => ({
      ...{ id: webhookId, time: headers['reprise-event-time'], job: headers['reprise-job-id'] },
    }));

test(
  'lists what the receiver took, after two owners were killed in full flow',
  { timeout: DEADLINE_MS },
  async () => {
    const a = await scene.start('a');
    const webhook = await scene.webhook(a);
    const story = await scene.tell(webhook, EVENTS);
    let owner = a;
    scene.receiver.set(({ number }) => {
      if (number === 200 || number === 400) owner.signal('SIGKILL');
      return { status: 200, delayMs: 2 };
    });
    const id = await scene.replay(a, webhook, story);
    await a.exited;
    owner = await scene.launch('b');
    await owner.exited;
    const c = await scene.start('c');
    const live = await manifestOf(c, id);
    if (!live.final) expect(await checkManifest([live], taken())).toMatchObject({ exit: 2 });
    await scene.untilState(id, 'COMPLETED');
    await scene.checkComplete(id, story.ids);

    const manifest = await manifestOf(c, id);
    expect(manifest).toMatchObject({
      final: true,
      reclaims: 2,
      counts: { delivered: EVENTS },
      nextCursor: null,
    });
    expect(manifest.minutes.some(({ resent }) => resent)).toBe(false);
    // Ten minutes, that hardly begin with a whole one.
    expect(manifest.minutes.length).toBeGreaterThanOrEqual(10);
    const received = taken();
    expect(received.length).toBeGreaterThan(EVENTS);
    expect(await checkManifest([manifest], received)).toMatchObject({ exit: 0 });

    // And it can tell: one that is missing, and one that is foreign.
    const [victim] = story.ids;
    const without = await checkManifest(
      [manifest],
      received.filter(({ id: event }) => event !== victim),
    );
    expect(without).toMatchObject({ exit: 1, said: expect.stringContaining('1 missing') as string });
    const stranger = { id: 'stranger', time: new Date(story.fromMs).toISOString() };
    const foreign = await checkManifest([manifest], [...received, stranger]);
    expect(foreign).toMatchObject({
      exit: 1,
      said: expect.stringContaining('1 foreign: stranger') as string,
    });

    const pages: Manifest[] = [];
    for (let query = '?limit=4'; query !== '';) {
      const page = await manifestOf(c, id, query);
      pages.push(page);
      query = page.nextCursor === null ? '' : `?limit=4&cursor=${page.nextCursor}`;
    }
    expect(pages.flatMap(({ minutes }) => minutes)).toEqual(manifest.minutes);
    expect(await checkManifest(pages, received)).toMatchObject({ exit: 0 });
  },
);

test('lists what was taken in batches, with the ids that the bodies carry', async () => {
  const receiver = await Receiver.start();
  try {
    const a = await scene.start('a');
    const delivery = { mode: 'ndjson', maxEvents: 20 };
    const webhook = await scene.webhook(a, { url: receiver.url, delivery });
    const story = await scene.tell(webhook, 300);
    const id = await scene.replay(a, webhook, story);
    await scene.untilState(id, 'COMPLETED');
    const received = receiver.records.flatMap(({ body }) =>
      String(body)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => ({ id: (JSON.parse(line) as { event: string }).event })),
    );
    expect(received.length).toBeGreaterThanOrEqual(300);
    expect(receiver.records.length).toBeLessThan(300);
    const manifest = await manifestOf(a, id);
    expect(await checkManifest([manifest], received)).toMatchObject({ exit: 0 });
    expect(await checkManifest([manifest], received.slice(1))).toMatchObject({ exit: 1 });
  } finally {
    await receiver.close();
  }
});
