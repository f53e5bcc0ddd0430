// A webhook's own content type and headers as a real receiver gets them: on each attempt, alone and in batches, and from
// the next attempt on after a change.

import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Received } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const HEADERS = { Authorization: 'Bearer abc.def==', 'X-Tenant': 'acme, "inc"' };
const SEEN = { authorization: 'Bearer abc.def==', 'x-tenant': 'acme, "inc"' };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

async function tell({ key }: Listener, values: readonly string[]): Promise<void> {
  const records = values.map((value, n) => ({ key, value, eventId: `e${n}`, timestampMs: FROM + n }));
  await stage.log.write(stage.scene.topic, records);
}
const values = (count: number): string[] => Array.from({ length: count }, (_, n) => `{"n":${n}}`);

function verify({ webhook, receiver }: Listener): void {
  for (const { body, headers } of receiver.records) {
    const options = { jsonParse: false };
    new Webhook(webhook.secret).verify(body ?? Buffer.alloc(0), headers as Record<string, string>, options);
  }
}

test('each request has them, also the second attempt, and what the signature covers is as ever', async () => {
  const failed = new Set<string>();
  const answer = ({ webhookId }: { webhookId: string }) => {
    const isFirst = !failed.has(webhookId);
    failed.add(webhookId);
    return { status: isFirst ? 503 : 200 };
  };
  const contentType = 'application/cloudevents+json; charset=utf-8';
  const listener = await stage.listen({ contentType, headers: HEADERS }, { answer });
  await tell(listener, values(20));
  await listener.replayed(RANGE);
  const { records } = listener.receiver;
  expect(listener.accepted).toHaveLength(20);
  expect(records.length).toBeGreaterThanOrEqual(40);
  for (const { headers } of records) expect(headers).toMatchObject({ ...SEEN, 'content-type': contentType });
  expect(new Set(records.map(({ headers }) => headers['reprise-attempt'])).size).toBeGreaterThan(1);
  verify(listener);
});

test('a webhook without them sends plain JSON and nothing more', async () => {
  const listener = await stage.listen();
  await tell(listener, values(3));
  await listener.replayed(RANGE);
  for (const { headers } of listener.accepted) {
    expect(headers['content-type']).toBe('application/json');
    expect(Object.keys(headers).sort()).toEqual([
      ...['connection', 'content-length', 'content-type', 'host', 'reprise-attempt', 'reprise-event-time'],
      ...[
        'reprise-fence',
        'reprise-job-id',
        'user-agent',
        'webhook-id',
        'webhook-signature',
        'webhook-timestamp',
      ],
    ]);
  }
});

test.each([
  ['ndjson', 'application/x-ndjson'],
  ['json-array', 'application/json'],
] as const)('a batch as %s has the headers, and a content type of its own', async (mode, type) => {
  const draft = {
    delivery: { mode, maxEvents: 20 },
    contentType: 'text/plain',
    headers: HEADERS,
    concurrency: 2,
  };
  const listener = await stage.listen(draft);
  await tell(listener, [...values(100), 'not JSON']);
  await listener.replayed(RANGE);
  const isBatch = (headers: object): boolean => 'reprise-event-count' in headers;
  for (const { headers } of listener.accepted) {
    expect(headers).toMatchObject({ ...SEEN, 'content-type': isBatch(headers) ? type : 'text/plain' });
  }
  const batches = listener.accepted.filter(({ headers }) => isBatch(headers));
  expect(batches.length).toBeGreaterThan(3);
  expect(batches.length).toBeLessThan(listener.accepted.length);
  verify(listener);
});

test('a change holds from the next attempt on, while the replay runs', async () => {
  // Whatever comes after the first request is tried again until it has the new headers.
  const answer = ({ number, headers }: Received) => ({
    status: number === 1 || 'x-new' in headers ? 200 : 503,
  });
  const listener = await stage.listen({ headers: HEADERS, concurrency: 1 }, { answer });
  await tell(listener, values(10));
  const id = await listener.request(RANGE);
  await listener.receiver.waitFor(({ requests }) => requests > 1);
  const path = `/v1/webhooks/${listener.webhook.id}`;
  const headers = { 'x-tenant': 'other', 'x-new': '1' };
  const { status } = await stage.instance.call('PATCH', path, { headers, contentType: 'a/b' });
  expect(status).toBe(200);
  await stage.scene.untilState(id, 'COMPLETED');
  const last = listener.accepted.at(-1)?.headers;
  expect(last).toMatchObject({ ...headers, 'content-type': 'a/b' });
  expect(last).not.toHaveProperty('authorization');
  expect(listener.accepted[0]?.headers).toMatchObject({ ...SEEN, 'content-type': 'application/json' });
  expect(listener.accepted).toHaveLength(10);
});
