// A webhook that takes several events in one request: what a real receiver gets, that one poison event takes only
// itself, and that everything counts events as it does without batches.

import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hash } from 'node:crypto';
import type { Received } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ env: { REPRISE_MAX_ATTEMPTS: '4' } });
});
afterAll(() => stage.close());

/** Writes events e0, e1, ... a tenth of a second apart, with these values. */
async function tell({ key }: Listener, values: readonly string[]): Promise<void> {
  const records = values.map((value, index) => ({
    key,
    eventId: `e${index}`,
    value,
    timestampMs: FROM + index * 100,
  }));
  await stage.log.write(stage.scene.topic, records);
}
const plain = (count: number): string[] => Array.from({ length: count }, (_, n) => `{"event":${n}}`);

const typeOf = ({ headers }: Received): string => String(headers['content-type']);
const countOf = ({ headers }: Received): number => Number(headers['reprise-event-count'] ?? 1);

/** The values in a request, as a receiver that goes by the content type reads them. */
function valuesIn(request: Received): readonly string[] {
  const text = request.body?.toString() ?? '';
  if (countOf(request) === 1) return [text];
  if (typeOf(request) === 'application/x-ndjson') return text.replace(/\n$/, '').split('\n');
  return (JSON.parse(text) as unknown[]).map((value) => JSON.stringify(value));
}
const delivered = ({ accepted }: Listener): string[] => accepted.flatMap(valuesIn);
const sorted = (texts: readonly string[]): string[] => [...texts].sort();
const isBatch = (request: Received): boolean => countOf(request) > 1;

function verify({ webhook }: Listener, { body, headers }: Received): void {
  const options = { jsonParse: false };
  new Webhook(webhook.secret).verify(body ?? Buffer.alloc(0), headers as Record<string, string>, options);
}

async function change({ webhook }: Listener, patch: object): Promise<void> {
  const { status } = await stage.instance.call('PATCH', `/v1/webhooks/${webhook.id}`, patch);
  expect(status).toBe(200);
}

describe('a batch', () => {
  test.each([
    ['ndjson', 'application/x-ndjson'],
    ['json-array', 'application/json'],
  ] as const)('as %s is one signed message of all its events', async (mode, type) => {
    const listener = await stage.listen({ delivery: { mode, maxEvents: 20 }, concurrency: 2 });
    const values = plain(200);
    await tell(listener, values);
    const job = await listener.replayed(RANGE);
    const { accepted } = listener;
    for (const request of accepted) verify(listener, request);
    expect(sorted(delivered(listener))).toEqual(sorted(values));
    const batches = accepted.filter(isBatch);
    expect(Math.max(...batches.map(countOf))).toBe(20);
    expect(accepted.length).toBeLessThan(40);
    for (const request of batches) {
      expect(typeOf(request)).toBe(type);
      expect(valuesIn(request)).toHaveLength(countOf(request));
      const ids = valuesIn(request).map(
        (value) => `e${String((JSON.parse(value) as { event: number }).event)}`,
      );
      expect(request.webhookId).toBe(`b_${hash('sha256', ids.join('\n'), 'base64url')}`);
    }
    expect(job).toMatchObject({ outcome: 'complete', counts: { matched: 200, delivered: 200 } });
    const [minutes] = await stage.scene.database.query<{ sum: string }>(
      'SELECT SUM(delivered) AS sum FROM minute_ledger WHERE job_id = ?',
      [job.id],
    );
    expect(Number(minutes?.sum)).toBe(200);
  });

  test('leaves out what is not one line of JSON: that goes alone, as it is', async () => {
    const listener = await stage.listen({ delivery: { mode: 'ndjson' } });
    const odd = ['{\n"event": 3}', 'plain', '', '{"event":', `"${'x'.repeat(300_000)}"`];
    const values = plain(60).flatMap((value, n) =>
      n % 12 === 5 ? [value, odd[(n - 5) / 12] ?? ''] : [value],
    );
    await tell(listener, values);
    const job = await listener.replayed(RANGE);
    for (const request of listener.accepted) verify(listener, request);
    expect(sorted(delivered(listener))).toEqual(sorted(values));
    for (const value of odd) {
      const [request] = listener.accepted.filter(({ body }) => body?.toString() === value);
      expect(request?.webhookId).toBe(`e${values.indexOf(value)}`);
      expect(request && typeOf(request)).toBe('application/json');
    }
    expect(listener.accepted.some(isBatch)).toBe(true);
    expect(job).toMatchObject({ outcome: 'complete', counts: { delivered: 65 } });
  });

  test('that fails for the moment is repeated under the same id', async () => {
    const listener = await stage.listen({ delivery: { mode: 'ndjson' }, concurrency: 1 });
    listener.receiver.set(({ headers }) => ({ status: headers['reprise-attempt'] === '1' ? 503 : 200 }));
    await tell(listener, plain(40));
    const job = await listener.replayed(RANGE);
    const { records, requests } = listener.receiver;
    expect(records.some(isBatch)).toBe(true);
    const once = new Set(records.map(({ webhookId }) => webhookId));
    expect(requests).toBe(once.size * 2);
    for (const id of once) expect(listener.receiver.timesReceived(id)).toBe(2);
    expect(job).toMatchObject({ outcome: 'complete', counts: { delivered: 40 } });
  });
});

describe('a poison event in a batch', () => {
  test.each([400, 500])(
    '(answered %i) becomes a dead letter alone; all others arrive once',
    async (status) => {
      const listener = await stage.listen({ delivery: { mode: 'json-array', maxEvents: 50 } });
      const values = plain(300);
      const poison = [7, 8, 150, 299].map((n) => `{"event":${n}}`);
      listener.receiver.set((request) => ({
        status: valuesIn(request).some((value) => poison.includes(value)) ? status : 200,
      }));
      await tell(listener, values);
      const job = await listener.replayed(RANGE, 60_000);
      expect(sorted(delivered(listener))).toEqual(sorted(values.filter((value) => !poison.includes(value))));
      expect(job).toMatchObject({
        outcome: 'incomplete',
        counts: { matched: 300, delivered: 296, deadLettered: 4 },
      });
      const letters = await stage.scene.database.query<{
        event_id: string;
        last_status: number;
        reason: string;
      }>('SELECT event_id, last_status, reason FROM dead_letters WHERE job_id = ?', [job.id]);
      expect(sorted(letters.map(({ event_id }) => event_id))).toEqual(sorted(['e7', 'e8', 'e150', 'e299']));
      for (const letter of letters)
        expect(letter).toMatchObject({ last_status: status, reason: `http_${status}` });
    },
  );

  test('does not break strict order', async () => {
    const listener = await stage.listen({ delivery: { mode: 'ndjson', maxEvents: 16 } });
    const values = plain(80);
    const isPoison = (value: string): boolean => value === '{"event":20}' || value === '{"event":21}';
    listener.receiver.set((request) => ({ status: valuesIn(request).some(isPoison) ? 422 : 200 }));
    await tell(listener, values);
    await listener.replayed({ ...RANGE, order: 'strict' });
    expect(delivered(listener)).toEqual(values.filter((value) => !isPoison(value)));
    expect(listener.accepted.some(isBatch)).toBe(true);
  });
});

describe('while the replay runs', () => {
  test('pause and resume repeat and lose nothing', async () => {
    const listener = await stage.listen({ delivery: { mode: 'ndjson', maxEvents: 10 }, maxRate: 400 });
    const values = plain(600);
    await tell(listener, values);
    const id = await listener.request(RANGE);
    for (const many of [5, 15]) {
      await listener.receiver.waitFor(({ accepted }) => accepted >= many);
      await stage.instance.call('POST', `/v1/replays/${id}/pause`, {});
      await stage.scene.untilState(id, 'PAUSED');
      await stage.instance.call('POST', `/v1/replays/${id}/resume`, {});
    }
    const job = await stage.scene.untilState(id, 'COMPLETED');
    expect(sorted(delivered(listener))).toEqual(sorted(values));
    expect(job).toMatchObject({ counts: { delivered: 600, maybeRepeated: 0 }, duplicateBound: 0 });
    expect(listener.accepted.some(isBatch)).toBe(true);
  });

  test('another mode holds from the next request on, also for what waits for its next attempt', async () => {
    const delivery = { mode: 'ndjson', maxEvents: 10 };
    const listener = await stage.listen({ delivery, concurrency: 1, maxRate: 400 });
    const { receiver, webhook } = listener;
    const values = plain(500);
    await tell(listener, values);
    // The fifth request has to wait for a second, and meanwhile the mode changes.
    receiver.set(({ number }) =>
      number === 5 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 },
    );
    const id = await listener.request(RANGE);
    await receiver.waitFor(({ requests }) => requests === 5);
    await change(listener, { delivery: { mode: 'json-array', maxEvents: 4 } });
    const changed = await stage.instance.call('GET', `/v1/webhooks/${webhook.id}`);
    expect(changed.body).toMatchObject({ delivery: { mode: 'json-array', maxEvents: 4, maxBytes: 262_144 } });
    await receiver.waitFor(({ requests }) => requests >= 30);
    const single = receiver.requests;
    await change(listener, { delivery: { mode: 'single' } });
    await stage.scene.untilState(id, 'COMPLETED');
    expect(sorted(delivered(listener))).toEqual(sorted(values));
    const { records } = receiver;
    expect(records.slice(0, 5).every((request) => typeOf(request) === 'application/x-ndjson')).toBe(true);
    const arrays = records.slice(5, single);
    expect(arrays.some(isBatch)).toBe(true);
    for (const request of arrays) {
      expect(typeOf(request)).toBe('application/json');
      expect(countOf(request)).toBeLessThanOrEqual(4);
    }
    expect(records.slice(-20).some(isBatch)).toBe(false);
  });

  test('the rate counts events, not requests', async () => {
    const rate = 200;
    const listener = await stage.listen({ delivery: { mode: 'ndjson' }, maxRate: rate });
    await tell(listener, plain(500));
    await listener.replayed(RANGE);
    const { accepted } = listener;
    // Half of a burst of 100 ms at most.
    expect(Math.max(...accepted.map(countOf))).toBe(10);
    const spanMs = (accepted.at(-1)?.atMs ?? 0) - (accepted[0]?.atMs ?? 0);
    // All but the first request were paid for between; the last burst may have been saved up.
    expect(spanMs).toBeGreaterThanOrEqual(((500 - 10 - rate / 10) / rate) * 1_000);
  });
});
