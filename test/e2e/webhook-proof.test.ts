// Webhooks that prove themselves before they get anything, with real receivers that know their secret or do not:
// before the first delivery under both profiles, periodically, and by one instance of several.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isCheck, proofAnswer } from '../support/proving.ts';
import type { Received } from '../support/receiver.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';
import type { Script } from '../support/receiver.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const EVENTS = 40;
const ENV = {
  REPRISE_WEBHOOK_PROOF: 'all',
  REPRISE_WEBHOOK_PROOF_ATTEMPTS: '2',
  REPRISE_WEBHOOK_PROOF_RETRY_MS: '100',
};

async function tell(stage: Stage, { key }: Listener): Promise<void> {
  const records = Array.from({ length: EVENTS }, (_, index) => ({
    key,
    eventId: `e${index}`,
    value: `{"n":${index}}`,
    timestampMs: FROM + index * 1_000,
  }));
  await stage.log.write(stage.scene.topic, records);
}

const events = ({ receiver }: Listener): readonly Received[] =>
  receiver.records.filter((request) => !isCheck(request));
const checks = ({ receiver }: Listener): readonly Received[] => receiver.records.filter(isCheck);

/** Answers checks with this secret, everything else with 200. */
const knows =
  (secret: string): Script =>
  (request) =>
    proofAnswer(request, secret) ?? { status: 200 };

interface Shown {
  readonly validity: { readonly state: string; readonly reason: string | null; readonly failures: number };
}

async function untilValidity(stage: Stage, { webhook }: Listener, state: string): Promise<Shown['validity']> {
  return stage.scene.fact(`webhook ${webhook.id} is ${state}`, async () => {
    const { body } = await stage.instance.call<Shown>('GET', `/v1/webhooks/${webhook.id}`);
    return body.validity.state === state ? body.validity : null;
  });
}

async function resume(stage: Stage, id: string): Promise<void> {
  const { status } = await stage.instance.call('POST', `/v1/replays/${id}/resume`, { reason: 'mended' });
  expect(status).toBe(202);
}

describe('before the first delivery', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ env: ENV });
  });
  afterAll(() => stage.close());

  test.each(['standard', 'x'])('a webhook of profile %s proves itself once', async (profile) => {
    const listener = await stage.listen({ profile });
    await tell(stage, listener);
    listener.receiver.set(knows(listener.webhook.secret));
    expect(await listener.replayed(RANGE)).toMatchObject({ counts: { delivered: EVENTS } });
    expect(await listener.replayed(RANGE)).toMatchObject({ counts: { delivered: EVENTS } });
    expect(checks(listener)).toHaveLength(1);
    expect(listener.receiver.records.findIndex(isCheck)).toBe(0);
    expect((await untilValidity(stage, listener, 'valid')).reason).toBeNull();
    for (const { body, headers } of events(listener)) {
      const mac = createHmac('sha256', listener.webhook.secret).update(body ?? '');
      const signature = `sha256=${mac.digest('base64')}`;
      expect(headers['x-twitter-webhooks-signature']).toBe(profile === 'x' ? signature : undefined);
    }
  });

  test('batches of a webhook of profile x carry the signature of their body', async () => {
    const delivery = { mode: 'ndjson', maxEvents: 10 };
    const listener = await stage.listen({ profile: 'x', delivery });
    await tell(stage, listener);
    listener.receiver.set(knows(listener.webhook.secret));
    await listener.replayed(RANGE);
    expect(events(listener).length).toBeLessThan(EVENTS);
    for (const { body, headers } of events(listener)) {
      const mac = createHmac('sha256', listener.webhook.secret).update(body ?? '');
      expect(headers['x-twitter-webhooks-signature']).toBe(`sha256=${mac.digest('base64')}`);
    }
  });

  const redirecting = { status: 302, headers: { location: '/else' } };
  const wrong: [string, string, Script][] = [
    ['another secret', 'wrong_response', knows('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
    ['a redirect', 'http_302', (request) => (isCheck(request) ? redirecting : { status: 200 })],
    ['nothing within 3 s', 'timeout', (request) => (isCheck(request) ? 'hang' : { status: 200 })],
  ];
  describe.each(['standard', 'x'])('a webhook of profile %s', (profile) => {
    test.each(wrong)(
      'that answers with %s gets nothing until it is mended',
      async (_what, reason, answer) => {
        const listener = await stage.listen({ profile });
        await tell(stage, listener);
        listener.receiver.set(answer);
        const id = await listener.request(RANGE);
        const paused = await stage.scene.untilState(id, 'PAUSED');
        expect(paused).toMatchObject({
          pauseReason: 'webhook_invalid',
          counts: { delivered: 0, deadLettered: 0 },
        });
        expect(events(listener)).toEqual([]);
        expect(checks(listener)).toHaveLength(2);
        expect(await untilValidity(stage, listener, 'invalid')).toMatchObject({ reason, failures: 2 });
        const path = `/v1/webhooks/${listener.webhook.id}/replays`;
        const range = { from: new Date(RANGE.fromMs).toISOString(), to: new Date(RANGE.toMs).toISOString() };
        expect(await stage.instance.call('POST', path, range)).toMatchObject({
          status: 409,
          body: { code: 'webhook_invalid' },
        });
        // Resumed too early: checked once more, and paused again.
        await resume(stage, id);
        await listener.receiver.waitFor(() => checks(listener).length === 3);
        await stage.scene.untilState(id, 'PAUSED');
        expect(events(listener)).toEqual([]);
        listener.receiver.set(knows(listener.webhook.secret));
        await resume(stage, id);
        const done = await stage.scene.untilState(id, 'COMPLETED');
        expect(done).toMatchObject({ outcome: 'complete', counts: { delivered: EVENTS, deadLettered: 0 } });
        expect(stage.scene.logs()).not.toContain(listener.webhook.secret);
      },
    );
  });

  test('a webhook that leads to a private address is not even dialled', async () => {
    const listener = await stage.listen({ profile: 'x' });
    await tell(stage, listener);
    await stage.scene.database.query(`UPDATE webhooks SET url = 'https://10.255.255.1/hook' WHERE id = ?`, [
      listener.webhook.id,
    ]);
    const paused = await stage.scene.untilState(await listener.request(RANGE), 'PAUSED');
    expect(paused.pauseReason).toBe('webhook_invalid');
    expect((await untilValidity(stage, listener, 'invalid')).reason).toBe('blocked');
  });

  test('a webhook whose URL changes while a replay runs proves itself at the new one', async () => {
    const listener = await stage.listen({ profile: 'standard', maxRate: 10 });
    await tell(stage, listener);
    const other = await stage.receiver();
    listener.receiver.set(knows(listener.webhook.secret));
    other.set(knows(listener.webhook.secret));
    const id = await listener.request(RANGE);
    await listener.receiver.waitFor(() => events(listener).length >= 5);
    await stage.instance.call('PATCH', `/v1/webhooks/${listener.webhook.id}`, { url: other.url });
    const done = await stage.scene.untilState(id, 'COMPLETED');
    expect(done.counts.delivered).toBe(EVENTS);
    expect(other.records.findIndex(isCheck)).toBe(0);
    expect(events(listener).length).toBeLessThan(EVENTS);
  });
});

describe('periodically', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({
      env: { ...ENV, REPRISE_WEBHOOK_PROOF_INTERVAL_MS: '1500', REPRISE_WEBHOOK_PROOF_X_INTERVAL_MS: '1500' },
    });
  });
  afterAll(() => stage.close());

  test.each(['standard', 'x'])(
    'a webhook of profile %s that forgets its secret gets nothing',
    async (profile) => {
      const listener = await stage.listen({ profile, maxRate: 5 });
      await tell(stage, listener);
      const { secret } = listener.webhook;
      listener.receiver.set(knows(secret));
      const id = await listener.request(RANGE);
      await listener.receiver.waitFor(() => events(listener).length >= 3);
      listener.receiver.set(knows('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'));
      const paused = await stage.scene.untilState(id, 'PAUSED');
      expect(paused).toMatchObject({ pauseReason: 'webhook_invalid', counts: { deadLettered: 0 } });
      const { delivered } = paused.counts;
      expect(delivered).toBeLessThan(EVENTS);
      expect(events(listener)).toHaveLength(delivered);
      await untilValidity(stage, listener, 'invalid');
      // It is checked on, and comes back by itself; the replay waits for whoever resumes it.
      listener.receiver.set(knows(secret));
      await untilValidity(stage, listener, 'valid');
      expect(events(listener)).toHaveLength(delivered);
      await resume(stage, id);
      const done = await stage.scene.untilState(id, 'COMPLETED');
      expect(done).toMatchObject({ outcome: 'complete', counts: { delivered: EVENTS } });
      expect(new Set(events(listener).map(({ webhookId }) => webhookId)).size).toBe(EVENTS);
    },
  );

  test('a webhook that fails one check and passes the next stays valid', async () => {
    const listener = await stage.listen({ profile: 'x' });
    const path = `/v1/webhooks/${listener.webhook.id}`;
    listener.receiver.set(knows(listener.webhook.secret));
    await stage.instance.call('POST', `${path}/challenges`);
    let failed = false;
    listener.receiver.set((request) => {
      if (!failed && isCheck(request)) {
        failed = true;
        return { status: 503 };
      }
      return proofAnswer(request, listener.webhook.secret) ?? { status: 200 };
    });
    const states = new Set<string>();
    const validity = await stage.scene.fact('two more checks', async () => {
      const { body } = await stage.instance.call<Shown>('GET', path);
      states.add(body.validity.state);
      return checks(listener).length >= 3 && body.validity.failures === 0 ? body.validity : null;
    });
    expect([...states]).toEqual(['valid']);
    expect(validity).toMatchObject({
      state: 'valid',
      checks: [{ reason: null }, { reason: 'http_503' }, {}],
    });
  });

  test('two instances make one check, not two', async () => {
    await stage.scene.start('second');
    const listener = await stage.listen({ profile: 'x' });
    listener.receiver.set(knows(listener.webhook.secret));
    await stage.instance.call('POST', `/v1/webhooks/${listener.webhook.id}/challenges`);
    await listener.receiver.waitFor(() => checks(listener).length >= 5);
    const times = checks(listener).map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    // 1,500 ms less 10 %; two checkers would make two at a time.
    expect(Math.min(...gaps)).toBeGreaterThan(1_300);
  });
});

test('a deployment that switched it off delivers to whoever there is', async () => {
  const stage = await Stage.open({ env: { REPRISE_WEBHOOK_PROOF: 'off' } });
  try {
    const listener = await stage.listen({ profile: 'x' });
    await tell(stage, listener);
    expect(await listener.replayed(RANGE)).toMatchObject({ counts: { delivered: EVENTS } });
    expect(checks(listener)).toEqual([]);
  } finally {
    await stage.close();
  }
});
