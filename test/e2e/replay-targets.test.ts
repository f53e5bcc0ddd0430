// Whose events a webhook gets and where they may go: a record key belongs to one webhook, and a private address is
// reached only where the deployment lists it. The instance of this file lists none.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Listener, Stage } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const PUBLIC = 'https://receiver.example/hook';
const MAX_ATTEMPTS = 3;

let stage: Stage;
/** Registered by an instance that listed its address, before this file's instance began. */
let listener: Listener;
beforeAll(async () => {
  stage = await Stage.open({
    env: { REPRISE_DANGEROUS_ALLOW_TARGETS: '', REPRISE_MAX_ATTEMPTS: String(MAX_ATTEMPTS) },
  });
  const receiver = await stage.receiver();
  const liberal = await stage.scene.start('liberal', { REPRISE_DANGEROUS_ALLOW_TARGETS: '127.0.0.0/8' });
  const webhook = await stage.scene.webhook(liberal, { url: receiver.url });
  listener = new Listener(stage, webhook, receiver);
  await liberal.stop();
});
afterAll(() => stage.close());

const register = (draft: Record<string, unknown>) =>
  stage.instance.call<{ id: string; key: string }>('POST', '/v1/webhooks', { url: PUBLIC, ...draft });
const webhooks = async (): Promise<readonly unknown[]> => {
  const { body } = await stage.instance.call<{ items: readonly unknown[] }>('GET', '/v1/webhooks?limit=100');
  return body.items;
};

describe('a record key', () => {
  test('is the id unless chosen, and belongs to one webhook', async () => {
    const first = await register({ key: 'team-a' });
    const second = await register({});
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.body.key).toBe('team-a');
    expect(second.body.key).toBe(second.body.id);
    const before = await webhooks();
    for (const key of ['team-a', second.body.id, listener.key]) {
      const refused = await register({ key });
      expect(refused.status).toBe(409);
      expect(refused.headers.get('content-type')).toContain('application/problem+json');
      expect(refused.body).toMatchObject({ code: 'key_taken', errors: [{ pointer: '/key' }] });
    }
    // Keys are bytes: another case or an accent composed otherwise is another key.
    expect((await register({ key: 'Team-a' })).status).toBe(201);
    expect(await webhooks()).toHaveLength(before.length + 1);
  });
});

describe('a private target that is not listed', () => {
  const FORBIDDEN = [
    'http://127.0.0.1:8080/hook',
    'https://127.0.0.1/hook',
    'https://localhost/hook',
    'https://[::1]/hook',
    'https://[::ffff:10.0.0.1]/hook',
    'https://10.0.0.1/hook',
    'https://192.168.1.1/hook',
    'https://169.254.169.254/latest/meta-data',
    'https://2130706433/hook',
    'https://0x7f.1/hook',
    'http://receiver.example/hook',
    'https://user:password@receiver.example/hook',
    'https://receiver.example:22/hook',
    'ftp://receiver.example/hook',
  ];

  test.each(FORBIDDEN)('is refused when it is registered: %s', async (url) => {
    const { status, body } = await register({ url });
    expect({ status, body }).toMatchObject({ status: 400, body: { code: 'invalid_url' } });
  });

  test('is refused as a new URL too, and nothing is stored', async () => {
    const made = await register({});
    const path = `/v1/webhooks/${made.body.id}`;
    for (const url of FORBIDDEN) {
      const { status, body } = await stage.instance.call('PATCH', path, { url });
      expect({ status, body }).toMatchObject({ status: 400, body: { code: 'invalid_url' } });
    }
    const { body } = await stage.instance.call('GET', path);
    expect(body).toMatchObject({ url: PUBLIC, version: 1 });
  });

  test('is never dialled: its events become dead letters', async () => {
    const records = [0, 1, 2].map((index) => ({
      key: listener.key,
      eventId: `e${index}`,
      value: 'v',
      timestampMs: FROM + index,
    }));
    await stage.log.write(stage.scene.topic, records);
    const job = await listener.replayed(RANGE);
    expect(job).toMatchObject({
      outcome: 'incomplete',
      counts: { matched: 3, delivered: 0, deadLettered: 3 },
    });
    expect(listener.receiver.connections).toBe(0);
    const letters = await stage.scene.database.query(
      'SELECT reason, last_status, attempts FROM dead_letters WHERE job_id = ?',
      [job.id],
    );
    expect(letters).toEqual(Array(3).fill({ reason: 'blocked', last_status: null, attempts: MAX_ATTEMPTS }));
  });
});
