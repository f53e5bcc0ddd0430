// The limits of a webhook hold while its replay runs, and so do changes of them.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Received } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const SECOND = 1_000;
const RATE = 50;
/** 100 ms of the rate. */
const BURST = 5;
/** As many connections are opened at the beginning. */
const WINDOW_START = 8;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

async function tell({ key }: Listener, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, index) => `e${String(index).padStart(4, '0')}`);
  const records = ids.map((eventId, index) => ({ key, eventId, value: eventId, timestampMs: FROM + index }));
  await stage.log.write(stage.scene.topic, records);
  return ids;
}
const sorted = (texts: readonly string[]): string[] => [...texts].sort();
const change = ({ webhook }: Listener, patch: Record<string, unknown>) =>
  stage.instance.call('PATCH', `/v1/webhooks/${webhook.id}`, patch);

/** The most arrivals within any span of a second. */
function densest(records: readonly Received[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < records.length; last++) {
    while ((records[last]?.atMs ?? 0) - (records[first]?.atMs ?? 0) >= SECOND) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

describe.concurrent('the rate', () => {
  test.each([
    ['of the replay', {}, { maxRate: RATE }],
    ['of the webhook', { maxRate: RATE }, {}],
    ['of both, the lower', { maxRate: 400 }, { maxRate: RATE }],
  ])('%s holds over any second', async (_what, draft, limits) => {
    const listener = await stage.listen(draft);
    await tell(listener, 130);
    const stalls = monitorEventLoopDelay({ resolution: 5 });
    stalls.enable();
    await listener.replayed({ ...RANGE, ...limits });
    stalls.disable();
    expect(listener.receiver.requests).toBe(130);
    // The first ones wait for their connections, and what arrived while this process stood still has piled up.
    const most = densest(listener.receiver.records.slice(WINDOW_START));
    const lateMs = 20 + stalls.max / 1e6;
    expect(most).toBeLessThanOrEqual(RATE + BURST + Math.ceil((RATE * lateMs) / SECOND));
    expect(most).toBeGreaterThanOrEqual(RATE - BURST);
  });

  test('that is changed meanwhile holds from then on', async () => {
    const listener = await stage.listen({ maxRate: 5 });
    const ids = await tell(listener, 300);
    const id = await listener.request(RANGE);
    await listener.receiver.waitFor(({ requests }) => requests >= 3);
    await change(listener, { maxRate: 1_000 });
    // At the old rate it would take a minute.
    await stage.scene.untilState(id, 'COMPLETED', 20_000);
    expect(sorted(listener.ids)).toEqual(ids);
  });
});

describe.concurrent('the concurrency', () => {
  test('of the webhook is never exceeded, and is used', async () => {
    const listener = await stage.listen({ concurrency: 3 });
    const { receiver } = listener;
    receiver.set({ status: 200, delayMs: 30 });
    await tell(listener, 60);
    await listener.replayed(RANGE);
    // A request in flight has a connection of its own.
    expect(receiver.connectionsPeak).toBe(3);
    expect(receiver.requests).toBe(60);
  });

  test('of one delivers one at a time, oldest first', async () => {
    const listener = await stage.listen({ concurrency: 1 });
    const { receiver } = listener;
    receiver.set({ status: 200, delayMs: 2 });
    const ids = await tell(listener, 50);
    await listener.replayed(RANGE);
    expect(receiver.connectionsPeak).toBe(1);
    expect(listener.ids).toEqual(ids);
  });
});

describe.concurrent('a new URL', () => {
  test('takes the attempts of a running replay from the next one on', async () => {
    const listener = await stage.listen({ concurrency: 1 });
    const { receiver } = listener;
    const second = await stage.receiver();
    const ids = await tell(listener, 10);
    // The first attempt is refused for a second, and meanwhile the receiver moves.
    receiver.set({ status: 503, headers: { 'retry-after': '1' } });
    const id = await listener.request(RANGE);
    await receiver.waitFor(({ requests }) => requests === 1);
    expect((await change(listener, { url: second.url })).status).toBe(200);
    await stage.scene.untilState(id, 'COMPLETED');
    expect(receiver.requests).toBe(1);
    expect(second.records.map(({ webhookId }) => webhookId).sort()).toEqual(ids);
    const refused = receiver.records[0]?.webhookId;
    const again = second.records.find(({ webhookId }) => webhookId === refused);
    expect(again?.headers['reprise-attempt']).toBe('2');
  });

  test('loses and repeats nothing of what is in flight at the old one', async () => {
    const listener = await stage.listen({ concurrency: 8 });
    const { receiver } = listener;
    receiver.set({ status: 200, delayMs: 20 });
    const second = await stage.receiver();
    const ids = await tell(listener, 400);
    const id = await listener.request({ ...RANGE, maxRate: 200 });
    await receiver.waitFor(({ requests }) => requests >= 20);
    await change(listener, { url: second.url });
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(second.requests).toBeGreaterThan(100);
    const all = [...listener.ids, ...second.records.map(({ webhookId }) => webhookId)];
    expect(all.sort()).toEqual(ids);
    expect(job).toMatchObject({ outcome: 'complete', counts: { delivered: 400, unanswered: 0 } });
  });
});
