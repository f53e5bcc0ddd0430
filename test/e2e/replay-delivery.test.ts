// How an event reaches its receiver: signed, under its stable id, tried again when that may help, and given up
// alone when it does not.

import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Received } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const MAX_ATTEMPTS = 4;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({
    env: { REPRISE_MAX_ATTEMPTS: String(MAX_ATTEMPTS), REPRISE_REQUEST_TIMEOUT_MS: '1000' },
  });
});
afterAll(() => stage.close());

/** Writes `count` events e0, e1, ... one second apart. */
async function tell({ key }: Listener, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, index) => `e${index}`);
  const records = ids.map((eventId, index) => ({
    key,
    eventId,
    value: `{"event":${index}}`,
    timestampMs: FROM + index * 1_000,
  }));
  await stage.log.write(stage.scene.topic, records);
  return ids;
}
const sorted = (texts: readonly string[]): string[] => [...texts].sort();

/** What the reference library says about a request as it came. */
function isSigned(secret: string, { body, headers }: Received): boolean {
  try {
    const options = { jsonParse: false };
    new Webhook(secret).verify(body ?? Buffer.alloc(0), headers as Record<string, string>, options);
    return true;
  } catch {
    return false;
  }
}

describe('a request', () => {
  test('verifies with the standardwebhooks library and the secret that the registration told', async () => {
    const listener = await stage.listen();
    const { secret } = listener.webhook;
    await tell(listener, 20);
    const texts = ['', ' ', '{"text":"ünïcödé 🙂"}', 'line\nline\r\n', 'x'.repeat(100_000)];
    const records = texts.map((value) => ({ key: listener.key, value, timestampMs: FROM }));
    await stage.log.write(stage.scene.topic, records);
    await listener.replayed(RANGE);
    expect(listener.accepted).toHaveLength(25);
    expect(listener.accepted.map((request) => isSigned(secret, request))).toEqual(Array(25).fill(true));
    // The oracle says no to another secret.
    const other = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    expect(listener.accepted.some((request) => isSigned(other, request))).toBe(false);
  });

  test('is signed with a new secret from the next attempt on', async () => {
    const listener = await stage.listen({ concurrency: 1 });
    const { receiver } = listener;
    await tell(listener, 3);
    // The first attempt is refused for a second, and meanwhile the secret changes.
    receiver.set(({ number }) =>
      number === 1 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 },
    );
    const id = await listener.request(RANGE);
    await receiver.waitFor(({ requests }) => requests === 1);
    const path = `/v1/webhooks/${listener.webhook.id}`;
    const { body } = await stage.instance.call<{ secret: string }>('PATCH', path, { rotateSecret: true });
    await stage.scene.untilState(id, 'COMPLETED');
    const [first, ...later] = receiver.records;
    expect(first && isSigned(listener.webhook.secret, first)).toBe(true);
    expect(later.map((request) => isSigned(body.secret, request))).toEqual([true, true, true]);
  });

  test('says which job, fence, event time and attempt it is of, freshly stamped', async () => {
    const listener = await stage.listen();
    const [id] = await tell(listener, 1);
    const startedMs = Date.now();
    const job = await listener.replayed(RANGE);
    const headers = listener.accepted[0]?.headers;
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': id,
      'reprise-job-id': job.id,
      'reprise-fence': '1',
      'reprise-event-time': new Date(FROM).toISOString(),
      'reprise-attempt': '1',
    });
    const stampedMs = Number(headers?.['webhook-timestamp']) * 1_000;
    expect(stampedMs).toBeGreaterThan(startedMs - 1_000);
    expect(stampedMs).toBeLessThanOrEqual(Date.now());
  });

  test('has the same id in each attempt and in each replay', async () => {
    const listener = await stage.listen();
    const { receiver } = listener;
    await tell(listener, 5);
    // And one without an event-id: its hash is as stable.
    await stage.log.write(stage.scene.topic, [{ key: listener.key, value: 'plain', timestampMs: FROM }]);
    receiver.set(({ headers }) => ({ status: headers['reprise-attempt'] === '1' ? 500 : 200 }));
    const first = await listener.replayed(RANGE);
    receiver.set({ status: 200 });
    const second = await listener.replayed(RANGE);
    const seen = new Map<string, string[]>();
    for (const { body, webhookId, headers } of receiver.records) {
      const attempt = `${webhookId} ${String(headers['reprise-job-id'])} ${String(headers['reprise-attempt'])}`;
      seen.set(String(body), [...(seen.get(String(body)) ?? []), attempt]);
    }
    expect(seen.size).toBe(6);
    for (const attempts of seen.values()) {
      const id = attempts[0]?.split(' ')[0] ?? '';
      expect(attempts).toEqual([`${id} ${first.id} 1`, `${id} ${first.id} 2`, `${id} ${second.id} 1`]);
    }
  });
});

describe('a failed attempt', () => {
  test('is repeated: 500, then 200', async () => {
    const listener = await stage.listen();
    const ids = await tell(listener, 30);
    listener.receiver.set(({ headers }) => ({ status: headers['reprise-attempt'] === '1' ? 500 : 200 }));
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.ids)).toEqual(sorted(ids));
    expect(listener.receiver.requests).toBe(60);
    expect(job).toMatchObject({
      outcome: 'complete',
      counts: { delivered: 30, deadLettered: 0, unanswered: 0 },
    });
  });

  test.each(['hang', 'reset', 'dripHead', 'badProtocol'] as const)(
    'without an answer (%s) is counted and repeated',
    async (fault) => {
      const listener = await stage.listen();
      await tell(listener, 1);
      listener.receiver.set(({ number }) => (number === 1 ? fault : { status: 200 }));
      const job = await listener.replayed(RANGE);
      expect(listener.accepted.map(({ headers }) => headers['reprise-attempt'])).toEqual(['2']);
      expect(job).toMatchObject({ outcome: 'complete', counts: { delivered: 1, unanswered: 1 } });
    },
  );

  test('with Retry-After keeps everybody away from the receiver for as long as it asks', async () => {
    const listener = await stage.listen({ concurrency: 1 });
    const ids = await tell(listener, 5);
    const { receiver } = listener;
    receiver.set(({ number }) =>
      number === 2 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 },
    );
    const job = await listener.replayed(RANGE);
    const [, refused, next] = receiver.records;
    expect((next?.atMs ?? 0) - (refused?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
    expect(sorted(listener.ids)).toEqual(sorted(ids));
    expect(job.outcome).toBe('complete');
  });
});

describe('an event that nobody can deliver', () => {
  test.each([
    ['answered 400 each time', 400, 3],
    ['answered 500 each time', 500, MAX_ATTEMPTS],
    ['redirected each time', 302, 3],
  ])('(%s) becomes a dead letter, all others arrive', async (_what, status, attempts) => {
    const listener = await stage.listen();
    const { receiver } = listener;
    const ids = await tell(listener, 50);
    receiver.set(({ webhookId }) =>
      webhookId === 'e7' ? { status, headers: { location: '/elsewhere' } } : { status: 200 },
    );
    const job = await listener.replayed(RANGE);
    expect(sorted(listener.ids)).toEqual(sorted(ids.filter((id) => id !== 'e7')));
    expect(receiver.timesReceived('e7')).toBe(attempts);
    expect(receiver.records.filter(({ path }) => path !== '/hook')).toEqual([]);
    expect(job).toMatchObject({
      outcome: 'incomplete',
      counts: { matched: 50, delivered: 49, deadLettered: 1 },
    });
    const letters = await stage.scene.database.query('SELECT * FROM dead_letters WHERE job_id = ?', [job.id]);
    expect(letters).toMatchObject([
      { event_id: 'e7', reason: `http_${status}`, last_status: status, attempts, state: 'open' },
    ]);
  });
});
