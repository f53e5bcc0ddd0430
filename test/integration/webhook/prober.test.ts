// One check against real receivers: what passes, and how everything else is named.

import type { FixedHeaders } from '../../../src/domain/fixed-headers.ts';
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import { asWebhookId } from '../../../src/domain/ids.ts';
import type { WebhookProfile } from '../../../src/domain/proof.ts';
import { newSecret } from '../../../src/domain/signature.ts';
import { createGuard } from '../../../src/webhook/guard.ts';
import { createProber } from '../../../src/webhook/prober.ts';
import { proofAnswer } from '../../support/proving.ts';
import { Receiver } from '../../support/receiver.ts';
import type { ReceiverOptions } from '../../support/receiver.ts';
import { TEST_CERT, TEST_KEY } from './tls-fixture.ts';

const SECRET = newSecret();
const LOCAL = ['127.0.0.0/8'];
const receivers: Receiver[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});

async function receiver(answer: ReceiverOptions['answer'], more: ReceiverOptions = {}): Promise<Receiver> {
  const started = await Receiver.start({ ...(answer === undefined ? {} : { answer }), ...more });
  receivers.push(started);
  return started;
}

const proving = (secret = SECRET) => receiver((request) => proofAnswer(request, secret) ?? { status: 418 });

/** The webhook's own headers. */
const OWN: FixedHeaders = [['x-of-the-receiver', 'yes']];

function check(
  url: string,
  profile: WebhookProfile,
  {
    guard = createGuard(LOCAL),
    deadlineMs = 1_000,
    signal = new AbortController().signal,
    headers = OWN,
  } = {},
): Promise<string | null> {
  const task = { webhookId: asWebhookId('1'), profile, url, secret: SECRET, headers };
  return createProber(guard, deadlineMs)(task, signal);
}

describe.each(['standard', 'x'] as const)('a check of profile %s', (profile) => {
  test('passes with the secret, over a socket of its own', async () => {
    const there = await proving();
    expect(await check(there.url, profile)).toBeNull();
    expect(await check(there.url, profile)).toBeNull();
    expect([there.requests, there.connections]).toEqual([2, 2]);
  });

  test("has the webhook's own headers", async () => {
    const there = await receiver((request) =>
      request.headers['x-of-the-receiver'] === 'yes'
        ? (proofAnswer(request, SECRET) ?? { status: 418 })
        : { status: 401 },
    );
    expect(await check(there.url, profile)).toBeNull();
    expect(await check(there.url, profile, { headers: [] })).toBe('http_401');
  });

  test('does not pass with another secret', async () => {
    const there = await proving(newSecret());
    expect(await check(there.url, profile)).toBe('wrong_response');
  });

  test('does not pass by an echo', async () => {
    const there = await receiver(({ body, path }) => {
      const token = new URL(path, 'http://r').searchParams.get('crc_token');
      const sent = body?.length ? (JSON.parse(body.toString()) as { data: object }).data : {};
      return { status: 200, body: JSON.stringify({ response_token: token, ...sent }) };
    });
    expect(await check(there.url, profile)).toBe('wrong_response');
  });

  test.each([
    ['no JSON', { status: 200, body: 'ok' }, 'not_json'],
    ['nothing', { status: 200 }, 'not_json'],
    ['more than 1 KB', { status: 200, body: Buffer.alloc(1_025, 32) }, 'too_long'],
    ['another success', { status: 204 }, 'http_204'],
    ['an error', { status: 500, body: Buffer.alloc(100_000) }, 'http_500'],
  ])('names %s', async (_what, answer, reason) => {
    const there = await receiver(answer);
    expect(await check(there.url, profile)).toBe(reason);
  });

  test('does not follow a redirect', async () => {
    const target = await proving();
    const there = await receiver({ status: 307, headers: { location: target.url } });
    expect(await check(there.url, profile)).toBe('http_307');
    expect(target.requests).toBe(0);
  });

  test.each(['hang', 'drip', 'dripHead', 'endless103'] as const)('ends at its deadline: %s', async (kind) => {
    const there = await receiver(kind);
    const startedMs = performance.now();
    expect(await check(there.url, profile, { deadlineMs: 200 })).toBe('timeout');
    expect(performance.now() - startedMs).toBeGreaterThan(190);
  });

  test.each([
    ['hugeBody', 'too_long'],
    ['hugeHead', 'protocol'],
    ['badProtocol', 'protocol'],
    ['brokenBody', 'reset'],
    ['redirect', 'http_302'],
  ] as const)('names %s', async (kind, reason) => {
    const there = await receiver(kind);
    expect(await check(there.url, profile)).toBe(reason);
  });

  test('does not reach a private address, neither as a literal nor behind a name', async () => {
    const there = await proving();
    expect(await check(there.url, profile, { guard: createGuard([]) })).toBe('blocked');
    const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    const named = createGuard(['10.0.0.0/8'], { resolve });
    expect(await check(`http://inside.test:${there.port}/`, profile, { guard: named })).toBe('blocked');
    expect(there.connections).toBe(0);
  });

  test('demands a trusted certificate', async () => {
    const tls = { key: TEST_KEY, cert: TEST_CERT };
    const there = await receiver((request) => proofAnswer(request, SECRET) ?? { status: 418 }, { tls });
    const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    const url = `https://receiver.test:${there.port}/`;
    expect(await check(url, profile, { guard: createGuard(LOCAL, { resolve }) })).toBe('tls');
    const trusting = createGuard(LOCAL, { resolve, extraCa: TEST_CERT });
    expect(await check(url, profile, { guard: trusting })).toBeNull();
  });

  test('names a receiver that is not there, and one that hangs up', async () => {
    const there = await receiver('reset');
    expect(await check(there.url, profile)).toBe('reset');
    await there.down();
    expect(await check(there.url, profile)).toBe('refused');
  });

  test('is broken off by its signal', async () => {
    const there = await receiver('hang');
    const off = new AbortController();
    const asked = check(there.url, profile, { signal: off.signal, deadlineMs: 60_000 });
    await there.waitFor(({ requests }) => requests === 1);
    off.abort();
    expect(await asked).toBe('aborted');
  });
});

test('a challenge is a message that the stock library verifies', async () => {
  const there = await proving();
  expect(await check(`${there.url}?a=1`, 'standard')).toBeNull();
  const { path, headers, body } = there.records[0] ?? {};
  expect(path).toBe('/hook?a=1');
  const verified = new Webhook(SECRET).verify(body?.toString() ?? '', headers as Record<string, string>);
  expect(verified).toMatchObject({ type: 'webhook.challenge' });
});

test("a CRC's GET keeps the URL's query and signs its own part", async () => {
  const there = await proving();
  expect(await check(`${there.url}?a=1`, 'x')).toBeNull();
  const { path = '', headers, bytes } = there.records[0] ?? {};
  const query = /^\/hook\?a=1&(crc_token=[\w-]{32}&nonce=[\w-]{32})$/.exec(path)?.[1] ?? '';
  const signature = createHmac('sha256', SECRET).update(query).digest('base64');
  expect(headers?.['x-twitter-webhooks-signature']).toBe(`sha256=${signature}`);
  expect(bytes).toBe(0);
});
