// An endpoint that is down, gone or misdeployed: no dead letters are burned for an outage, the job goes on by
// itself when the endpoint comes back in time, and else it is paused with the reason, to be resumed.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const EVENTS = 60;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({
    env: {
      REPRISE_MAX_ATTEMPTS: '4',
      REPRISE_REQUEST_TIMEOUT_MS: '1000',
      REPRISE_ENDPOINT_DOWN_LIMIT_MS: '2000',
    },
  });
});
afterAll(() => stage.close());

async function tell({ key }: Listener): Promise<void> {
  const records = Array.from({ length: EVENTS }, (_, index) => ({
    key,
    eventId: `e${index}`,
    value: '{}',
    timestampMs: FROM + index * 1_000,
  }));
  await stage.log.write(stage.scene.topic, records);
}

async function resume(id: string): Promise<void> {
  const { status } = await stage.instance.call('POST', `/v1/replays/${id}/resume`, { reason: 'mended' });
  expect(status).toBe(202);
}

const kinds: [string, (listener: Listener) => Promise<void> | void][] = [
  ['refuses connections', ({ receiver }) => receiver.down()],
  ['answers 503', ({ receiver }) => receiver.set({ status: 503 })],
  ['hangs', ({ receiver }) => receiver.set('hang')],
  ['resets', ({ receiver }) => receiver.set('reset')],
];

describe('an endpoint that is down', () => {
  test.each(kinds)(
    'because it %s pauses its job after the limit, without a dead letter',
    async (_name, fail) => {
      const listener = await stage.listen();
      await tell(listener);
      await fail(listener);
      const id = await listener.request(RANGE);
      const paused = await stage.scene.untilState(id, 'PAUSED');
      expect(paused).toMatchObject({
        pauseReason: 'endpoint_unavailable',
        counts: { delivered: 0, deadLettered: 0 },
      });
      listener.receiver.set({ status: 200 });
      await listener.receiver.close();
      await listener.receiver.up();
      await resume(id);
      const done = await stage.scene.untilState(id, 'COMPLETED');
      expect(done).toMatchObject({ outcome: 'complete', counts: { delivered: EVENTS, deadLettered: 0 } });
      expect(new Set(listener.ids).size).toBe(EVENTS);
    },
  );

  test('is probed by one request at a time, and taken up again when it is back in time', async () => {
    const listener = await stage.listen();
    await tell(listener);
    let isBack = false;
    let failures = 0;
    listener.receiver.set(() => {
      if (isBack) return { status: 200 };
      failures++;
      return { status: 500 };
    });
    const id = await listener.request(RANGE);
    // A full first window fails; after it only probes come.
    const window = 8;
    await listener.receiver.waitFor(({ requests }) => requests >= 10 + window + 2);
    const { connectionsPeak } = listener.receiver;
    isBack = true;
    const done = await stage.scene.untilState(id, 'COMPLETED');
    expect(done).toMatchObject({ outcome: 'complete', counts: { delivered: EVENTS, deadLettered: 0 } });
    expect(connectionsPeak).toBeLessThanOrEqual(window);
    expect(failures).toBeLessThan(EVENTS);
  });
});

describe('an endpoint that does not want these events', () => {
  test('any more (410) pauses its job at once', async () => {
    const listener = await stage.listen();
    await tell(listener);
    listener.receiver.set({ status: 410 });
    const id = await listener.request(RANGE);
    const paused = await stage.scene.untilState(id, 'PAUSED');
    expect(paused).toMatchObject({ pauseReason: 'endpoint_gone', counts: { delivered: 0, deadLettered: 0 } });
    expect(listener.receiver.requests).toBeLessThanOrEqual(8);
    listener.receiver.set({ status: 200 });
    await resume(id);
    const done = await stage.scene.untilState(id, 'COMPLETED');
    expect(done).toMatchObject({ outcome: 'complete', counts: { delivered: EVENTS } });
  });

  test.each([401, 404])('at all (%i) pauses its job after the first twenty', async (status) => {
    const listener = await stage.listen({ concurrency: 8 });
    await tell(listener);
    listener.receiver.set({ status });
    const id = await listener.request(RANGE);
    const paused = await stage.scene.untilState(id, 'PAUSED');
    expect(paused.pauseReason).toBe('endpoint_rejects');
    expect(paused.counts.deadLettered).toBeGreaterThanOrEqual(20);
    // What was in flight as the twentieth was given up may be given up too, nothing more.
    expect(paused.counts.deadLettered).toBeLessThanOrEqual(28);
  });
});
