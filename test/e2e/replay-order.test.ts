// `order: strict`: one in flight, in the order of the log over all sources; what is tried again holds up the rest,
// what is given up does not, and a killed owner does not mix anything up.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stage } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const EVENTS = 240;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({
    topics: 2,
    env: { REPRISE_LEASE_MS: '2000', REPRISE_HEARTBEAT_INTERVAL_MS: '300', REPRISE_MAX_REPEAT: '40' },
  });
});
afterAll(() => stage.close());

test('strict order holds over two sources, retries, a poison event and a kill -9', async () => {
  const listener = await stage.listen();
  const { key, receiver } = listener;
  const ids = Array.from({ length: EVENTS }, (_, index) => `e${index}`);
  const records = ids.map((eventId, index) => ({ key, eventId, value: eventId, timestampMs: FROM + index }));
  const [own = '', mirrored = ''] = stage.scene.topics;
  await stage.log.write(
    own,
    records.filter((_, index) => index % 3 !== 0),
  );
  await stage.log.write(
    mirrored,
    records.filter((_, index) => index % 3 === 0),
  );
  const refused = new Set<string>();
  receiver.set(({ webhookId, number }) => {
    if (number === EVENTS / 2) stage.instance.signal('SIGKILL');
    if (webhookId === 'e100') return { status: 400 };
    if (Number(webhookId.slice(1)) % 7 !== 3 || refused.has(webhookId)) return { status: 200, delayMs: 1 };
    refused.add(webhookId);
    return { status: 503 };
  });
  const path = `/v1/webhooks/${listener.webhook.id}/replays`;
  const range = { from: new Date(RANGE.fromMs).toISOString(), to: new Date(RANGE.toMs).toISOString() };
  const { status, body } = await stage.instance.call<{ id: string; order: string }>('POST', path, {
    ...range,
    order: 'strict',
  });
  expect([status, body.order]).toEqual([202, 'strict']);
  await stage.instance.exited;
  await stage.scene.start('second');
  const job = await stage.scene.untilState(body.id, 'COMPLETED');
  expect(job).toMatchObject({ outcome: 'incomplete', reclaims: 1, counts: { deadLettered: 1 } });
  const first = [...new Set(listener.ids)];
  expect(first).toEqual(ids.filter((id) => id !== 'e100'));
  const overlapping = receiver.records.filter(({ atMs, headers }, index) => {
    const before = receiver.records[index - 1];
    const isSameOwner = before?.headers['reprise-fence'] === headers['reprise-fence'];
    return isSameOwner && atMs < (before?.endedAtMs ?? 0);
  });
  expect(overlapping.map(({ webhookId }) => webhookId)).toEqual([]);
  // What is sent again is the youngest that the cut did not hold, again in order.
  const again = listener.ids.filter((id, index) => listener.ids.indexOf(id) < index);
  expect(again.length).toBeLessThanOrEqual(Math.min(40, job.counts.maybeRepeated));
  expect(again).toEqual([...again].sort((a, b) => ids.indexOf(a) - ids.indexOf(b)));
});
