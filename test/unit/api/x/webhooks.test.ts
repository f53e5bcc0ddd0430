import { describe, expect, it } from 'vitest';
import type { XWebhooks } from '../../../../src/api/x/port.ts';
import { RepriseError } from '../../../../src/domain/errors.ts';
import { KEY, newScript, openX } from './x-fixture.ts';

const WEBHOOK = {
  id: '1234567890',
  url: 'https://your.example/webhook/twitter/0',
  isValid: true,
  createdAtMs: Date.parse('2016-06-02T23:54:02.500Z'),
};
const SHOWN = { id: WEBHOOK.id, url: WEBHOOK.url, valid: true, created_at: '2016-06-02T23:54:02Z' };
const ROOT = '/1.1/account_activity/webhooks';
const FORM = 'application/x-www-form-urlencoded';

async function ask(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  webhooks: Partial<XWebhooks>,
  form?: string,
) {
  const app = await openX(newScript(), webhooks);
  const got = await app.inject({
    method,
    url: ROOT + path,
    headers: { authorization: `Bearer ${KEY}`, ...(form === undefined ? {} : { 'content-type': FORM }) },
    ...(form === undefined ? {} : { payload: form }),
  });
  await app.close();
  return [got.statusCode, got.body === '' ? null : got.json<unknown>()];
}

const refused = (status: number, code: number, message: string) => [status, { errors: [{ code, message }] }];

describe('registering', () => {
  const create: XWebhooks['create'] = (_caller, url) =>
    Promise.resolve({ ...WEBHOOK, url, secret: 'whsec_eA==' });
  const wanted = [200, { ...SHOWN, secret: 'whsec_eA==' }];
  const url = encodeURIComponent(WEBHOOK.url);

  it('takes the URL from the query or a form, and tells the secret', async () => {
    expect(await ask('POST', `.json?url=${url}`, { create })).toEqual(wanted);
    expect(await ask('POST', '.json', { create }, `url=${url}`)).toEqual(wanted);
    expect(await ask('POST', `.json?url=${url}`, { create }, 'url=https://other.example/')).toEqual(wanted);
  });

  it('refuses what is no target', async () => {
    expect(await ask('POST', '.json', { create })).toEqual(refused(400, 357, 'url: queryParam is required.'));
    expect(await ask('POST', `.json?url=a&url=b`, { create })).toEqual(
      refused(400, 358, 'Unable to parse parameter.'),
    );
    expect(await ask('POST', '.json', { create }, 'url=a&url=b')).toEqual(
      refused(400, 358, 'Unable to parse parameter.'),
    );
    const bad: XWebhooks['create'] = () => Promise.reject(new RepriseError('invalid_url', 'Use https.'));
    const text = 'Webhook URL does not meet the requirements. Use https.';
    expect(await ask('POST', '.json?url=http://a.example/', { create: bad })).toEqual(
      refused(400, 214, text),
    );
    const [status] = await ask('POST', `.json?url=https://a.example/${'x'.repeat(2048)}`, { create });
    expect(status).toBe(400);
  });
});

it('lists as an array', async () => {
  const unproven = { ...WEBHOOK, isValid: false };
  const list = () => Promise.resolve([WEBHOOK, unproven]);
  expect(await ask('GET', '.json', { list })).toEqual([200, [SHOWN, { ...SHOWN, valid: false }]]);
});

const ABSENT = refused(404, 34, 'Webhook does not exist or is associated with a different X application.');

describe('proving', () => {
  const proves = (answer: Awaited<ReturnType<XWebhooks['prove']>>) => ({
    prove: () => Promise.resolve(answer),
  });

  it('is 204 after the CRC, and says why not', async () => {
    expect(await ask('PUT', '/1.json', proves('valid'))).toEqual([204, null]);
    expect(await ask('PUT', '/1.json', proves('no_webhook'))).toEqual(ABSENT);
    const reason = 'High latency on CRC GET request. Your webhook should respond in less than 3 seconds.';
    expect(await ask('PUT', '/1.json', proves({ reason }))).toEqual(
      refused(400, 214, `Webhook URL does not meet the requirements. ${reason}`),
    );
  });

  it('takes any body', async () => {
    expect(await ask('PUT', '/1.json', proves('valid'), 'a=1')).toEqual([204, null]);
  });
});

describe('removing', () => {
  const removes = (answer: Awaited<ReturnType<XWebhooks['remove']>>) => ({
    remove: () => Promise.resolve(answer),
  });

  it('is 204, 404 or 409', async () => {
    expect(await ask('DELETE', '/1.json', removes('removed'))).toEqual([204, null]);
    expect(await ask('DELETE', '/1.json', removes('no_webhook'))).toEqual(ABSENT);
    const busy = 'A replay job is already in progress for this webhook.';
    expect(await ask('DELETE', '/1.json', removes('busy'))).toEqual(refused(409, 355, busy));
  });

  it('reads its id as a replay does', async () => {
    const negative = 'webhook_id: [-1] is not greater than or equal to 0.';
    expect(await ask('DELETE', '/-1.json', {})).toEqual(refused(400, 360, negative));
    expect(await ask('DELETE', '/a.json', {})).toEqual(refused(400, 358, 'Unable to parse parameter.'));
    expect(await ask('DELETE', `/${'1'.repeat(300)}.json`, {})).toEqual(
      refused(400, 358, 'Unable to parse parameter.'),
    );
  });
});
