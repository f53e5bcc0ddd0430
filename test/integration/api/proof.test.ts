// Webhooks that prove themselves, as a client sees it: profile, validity, a check on demand, and what is refused.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedAnswer } from '../../support/receiver.ts';
import { Receiver } from '../../support/receiver.ts';
import { proofAnswer } from '../../support/proving.ts';
import type { ApiUnderTest, Got } from './api-fixture.ts';
import { FOREIGN_KEY, fromNow, openApi, problemOf } from './api-fixture.ts';

interface Shown {
  readonly id: string;
  readonly secret: string;
  readonly profile: string;
  readonly version: number;
  readonly validity: {
    readonly state: string;
    readonly required: boolean;
    readonly checkedAt: string | null;
    readonly reason: string | null;
    readonly nextCheckAt: string | null;
    readonly failures: number;
    readonly checks: readonly { readonly at: string; readonly reason: string | null }[];
  };
}

let api: ApiUnderTest;
let receiver: Receiver;
beforeAll(async () => {
  api = await openApi(undefined, { proof: { attempts: 2 } });
  receiver = await Receiver.start();
});
afterAll(async () => {
  await Promise.all([api.close(), receiver.close()]);
});

const shownOf = ({ body }: Got): Shown => body as unknown as Shown;

async function register(draft: object = { profile: 'x' }): Promise<Shown> {
  const made = await api.call('POST', '/v1/webhooks', { url: receiver.url, ...draft });
  expect(made.status, made.text).toBe(201);
  return shownOf(made);
}

const challenge = (id: string, headers = {}) =>
  api.call('POST', `/v1/webhooks/${id}/challenges`, undefined, headers);
const look = async (id: string) => shownOf(await api.call('GET', `/v1/webhooks/${id}`));
const replay = (id: string) =>
  api.call('POST', `/v1/webhooks/${id}/replays`, { from: fromNow(-3_600_000), to: fromNow(-60_000) });
const answers = (secret: string): void =>
  receiver.set((request): ScriptedAnswer => proofAnswer(request, secret) ?? { status: 418 });

describe('a webhook of profile x', () => {
  it('begins unproven and has to prove itself', async () => {
    const made = await register();
    expect(made).toMatchObject({
      profile: 'x',
      validity: { state: 'unproven', required: true, checkedAt: null, reason: null, failures: 0, checks: [] },
    });
    expect((await replay(made.id)).status).toBe(202);
  });

  it('is valid after a check that passed', async () => {
    const made = await register();
    answers(made.secret);
    const got = await challenge(made.id);
    expect(got.status).toBe(200);
    expect(got.body).toMatchObject({
      passed: true,
      reason: null,
      validity: { state: 'valid', reason: null },
    });
    const { validity, version } = await look(made.id);
    expect(validity).toEqual((got.body as unknown as Shown).validity);
    expect(version).toBe(made.version + 1);
    const inMs = Date.parse(validity.nextCheckAt ?? '') - Date.parse(validity.checkedAt ?? '');
    expect(inMs).toBe(3_600_000);
  });

  it('is invalid after checks that failed, and then replays are refused with the reason', async () => {
    const made = await register();
    answers('whsec_another');
    const first = await challenge(made.id);
    expect(first.body).toMatchObject({ passed: false, reason: 'wrong_response' });
    expect(String(first.body?.['explanation'])).toContain('response_token');
    expect((await look(made.id)).validity).toMatchObject({ state: 'unproven', failures: 1 });
    receiver.set({ status: 500, body: `secret of the receiver` });
    expect((await challenge(made.id)).body).toMatchObject({ validity: { state: 'invalid', failures: 2 } });
    const { validity } = await look(made.id);
    expect(validity.checks.map(({ reason }) => reason)).toEqual(['http_500', 'wrong_response']);
    const before = await api.stored();
    const refused = await replay(made.id);
    const problem = problemOf(refused);
    expect(problem).toMatchObject({ status: 409, code: 'webhook_invalid', retryable: false });
    expect(problem.detail).toContain('http_500');
    expect(problem.detail).toContain(`/v1/webhooks/${made.id}/challenges`);
    expect(refused.text).not.toContain('secret of the receiver');
    expect(await api.stored()).toBe(before);
    answers(made.secret);
    expect((await challenge(made.id)).body).toMatchObject({ passed: true });
    expect((await replay(made.id)).status).toBe(202);
  });

  it.each([
    ['a new secret', { rotateSecret: true }],
    ['another URL', { url: 'http://127.0.0.1:9/elsewhere' }],
  ])('has to prove itself anew after %s', async (_what, change) => {
    const made = await register();
    answers(made.secret);
    await challenge(made.id);
    const changed = shownOf(await api.call('PATCH', `/v1/webhooks/${made.id}`, change));
    expect(changed.validity).toMatchObject({ state: 'unproven', checks: [] });
    expect(changed.validity.nextCheckAt).not.toBeNull();
  });
});

describe('a webhook of profile standard, which need not prove anything here', () => {
  it('is checked on demand all the same, and nothing depends on it', async () => {
    const made = await register({});
    expect(made).toMatchObject({ profile: 'standard', validity: { state: 'unproven', required: false } });
    answers(made.secret);
    expect((await challenge(made.id)).body).toMatchObject({ passed: true, validity: { state: 'unproven' } });
    receiver.set({ status: 404 });
    for (let times = 0; times < 3; times++) await challenge(made.id);
    const { validity } = await look(made.id);
    expect(validity).toMatchObject({ state: 'unproven', reason: 'http_404', nextCheckAt: null });
    expect((await replay(made.id)).status).toBe(202);
  });

  it('has to when its profile becomes x', async () => {
    const made = await register({});
    answers(made.secret);
    await challenge(made.id);
    const changed = shownOf(await api.call('PATCH', `/v1/webhooks/${made.id}`, { profile: 'x' }));
    expect(changed).toMatchObject({ profile: 'x', validity: { state: 'unproven', required: true } });
  });
});

describe('a check on demand', () => {
  it('of a webhook that is foreign, unknown or no id is 404', async () => {
    const made = await register();
    const foreign = await challenge(made.id, { authorization: `Bearer ${FOREIGN_KEY}` });
    expect(problemOf(foreign).code).toBe('not_found');
    for (const id of ['1', 'x']) expect(problemOf(await challenge(id)).status).toBe(404);
  });

  it('waits for the one that is under way, and both answer', async () => {
    const made = await register();
    answers(made.secret);
    const requests = receiver.requests;
    const both = await Promise.all([challenge(made.id), challenge(made.id)]);
    expect(both.map(({ body }) => body?.['passed'])).toEqual([true, true]);
    expect(receiver.requests).toBe(requests + 2);
  });

  it('refuses fields it does not know', async () => {
    const made = await register();
    const got = await api.call('POST', `/v1/webhooks/${made.id}/challenges`, { secret: 'x' });
    expect(problemOf(got).code).toBe('invalid_request');
  });

  it('is told to the operators', () => {
    expect(api.heard).toEqual(expect.arrayContaining(['webhook.checked', 'webhook.validity']));
  });
});

it('refuses a profile that there is not', async () => {
  const got = await api.call('POST', '/v1/webhooks', { url: receiver.url, profile: 'y' });
  expect(problemOf(got).errors?.[0]?.pointer).toBe('/profile');
});
