// A client of X's API that never heard of the native one: it registers, passes the CRC, asks in each generation, gets
// exactly the minutes that it named, signed as X signs, and is told the end of each job.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isCheck, proofAnswer } from '../support/proving.ts';
import type { Received } from '../support/receiver.ts';
import { Listener, Stage } from '../support/stage.ts';

const MINUTE_MS = 60_000;
/** A whole minute, two hours ago. */
const FROM = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 120 * MINUTE_MS;
const MINUTES = 10;
const minute = (ms: number): string => new Date(ms).toISOString().replace(/\D/g, '').slice(0, 12);

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

test('each generation replays the range, its first minute in it and its last one not', async () => {
  const { instance, scene } = stage;
  const receiver = await stage.receiver();
  const url = encodeURIComponent(receiver.url);
  const made = await instance.call<{ id: string; secret: string }>(
    'POST',
    `/1.1/account_activity/webhooks.json?url=${url}`,
  );
  expect(made.status).toBe(200);
  const { id, secret } = made.body;
  const listener = new Listener(stage, { id, key: id, secret }, receiver);
  const crc = () => instance.call('PUT', `/1.1/account_activity/webhooks/${id}.json`);
  const isValid = async (): Promise<unknown> =>
    (
      await instance.call<{ id: string; valid: boolean }[]>('GET', '/1.1/account_activity/webhooks.json')
    ).body.find((webhook) => webhook.id === id)?.valid;
  receiver.set((request) => proofAnswer(request, 'whsec_d3Jvbmc=') ?? { status: 200 });
  expect((await crc()).status).toBe(400);
  expect(await isValid()).toBe(false);
  receiver.set((request) => proofAnswer(request, secret) ?? { status: 200 });
  expect((await crc()).status).toBe(204);
  expect(await isValid()).toBe(true);
  const records = Array.from({ length: MINUTES }, (_, at) => ({
    key: id,
    eventId: `minute-${at}`,
    value: '{"for_user_id":"1"}',
    timestampMs: FROM + at * MINUTE_MS,
  }));
  await stage.log.write(scene.topic, records);
  const [from_date, to_date] = [minute(FROM + 2 * MINUTE_MS), minute(FROM + 5 * MINUTE_MS)];
  const query = `from_date=${from_date}&to_date=${to_date}`;
  const path = `account_activity/replay/webhooks/${id}/subscriptions/all`;
  const asks = [
    () => instance.call<Answer>('POST', `/1.1/${path}.json?${query}`),
    () => instance.call<Answer>('POST', `/2/${path}?${query}`),
    () => instance.call<Answer>('POST', '/2/webhooks/replay', { webhook_id: id, from_date, to_date }),
  ];
  for (const [round, ask] of asks.entries()) {
    const { status, body } = await ask();
    expect(status, JSON.stringify(body)).toBe(round === 0 ? 202 : 200);
    const jobId = body.data?.job_id ?? body.job_id ?? '';
    const job = await scene.untilState(jobId, 'COMPLETED');
    expect(job).toMatchObject({ outcome: 'complete', counts: { delivered: 3 } });
    const events = listener.accepted.filter((request) => !isCheck(request) && !tellsEnd(request));
    const ids = events.slice(round * 3).map(({ webhookId }) => webhookId);
    expect(ids.toSorted()).toEqual(['minute-2', 'minute-3', 'minute-4']);
    const told = await scene.fact(`the receiver is told the end of ${jobId}`, () =>
      Promise.resolve(listener.accepted.find((request) => tellsEnd(request)?.job_id === jobId) ?? null),
    );
    expect(tellsEnd(told)).toEqual({
      webhook_id: id,
      job_id: jobId,
      job_state: 'Complete',
      job_state_description: 'Job completed successfully',
    });
    for (const { body, headers } of [...events, told]) {
      const signature = createHmac('sha256', secret)
        .update(body ?? '')
        .digest('base64');
      expect(headers['x-twitter-webhooks-signature']).toBe(`sha256=${signature}`);
    }
  }
});

interface EndOfJob {
  readonly webhook_id: string;
  readonly job_id: string;
  readonly job_state: string;
  readonly job_state_description: string;
}

function tellsEnd({ body }: Received): EndOfJob | undefined {
  if (!body?.includes('"replay_job_status"')) return undefined;
  return (JSON.parse(body.toString()) as { replay_job_status: EndOfJob }).replay_job_status;
}

interface Answer {
  readonly job_id?: string;
  readonly data?: { readonly job_id: string };
}
