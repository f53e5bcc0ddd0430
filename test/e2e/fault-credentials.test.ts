// A site whose credentials stop being accepted under running instances, and are mended there: nothing fails, the job
// and the instance say what an operator has to look at, and everything goes on by itself.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { AUTHORITY } from '../support/certificates.ts';
import { readinessOf } from '../support/own-servers.ts';
import { Scene } from '../support/scene.ts';
import { START_MS, startSecuredBroker, token } from '../support/secured-broker.ts';
import type { SecuredBroker } from '../support/secured-broker.ts';

const PROBLEM =
  'site dc1: the broker refused the token (SASL OAUTHBEARER); check REPRISE_SITE_DC1_SASL_TOKEN_FILE';

let broker: SecuredBroker;
let scene: Scene;
beforeAll(async () => {
  broker = await startSecuredBroker({ scram: false });
  scene = await Scene.open({ brokers: broker.listeners.plain.address, partitions: 1 });
}, START_MS);
afterAll(async () => {
  await scene.close();
  await broker.stop();
});

test('a job whose site refuses the token waits, says so, and goes on when there is another', async () => {
  const [expired, good] = [token(-60_000), token()];
  const sites = `dc1=${broker.listeners.sasl.address}/${scene.topic}`;
  const instance = await scene.start('refused', {
    REPRISE_SITES: sites,
    REPRISE_SITE_DC1_TLS_CA_FILE: broker.file('ca', AUTHORITY),
    REPRISE_SITE_DC1_SASL_MECHANISM: 'oauthbearer',
    REPRISE_SITE_DC1_SASL_TOKEN_FILE: broker.file('token', good),
  });
  const webhook = await scene.webhook(instance);
  const story = await scene.tell(webhook, 500);
  broker.file('token', expired);
  await scene.fact('the instance says so', async () => {
    const { sites } = await readinessOf(instance);
    return sites[0]?.problem === PROBLEM;
  });
  const id = await scene.replay(instance, webhook, story);
  await scene.fact('the job says so', async () => {
    const { body } = await instance.call('GET', `/v1/replays/${id}`);
    return body['waiting'] === PROBLEM;
  });
  // More than the three leases (of 2 s) after which an owner that declares no wait counts as wedged.
  const since = (await scene.job(id)).heartbeatAtMs ?? Date.now();
  await scene.until(id, ({ heartbeatAtMs }) => (heartbeatAtMs ?? 0) > since + 7_000);
  expect((await scene.job(id)).state).toBe('STARTED');
  broker.file('token', good);
  await scene.untilState(id, 'COMPLETED');
  await scene.checkComplete(id, story.ids, 0);
  expect(await scene.facts(id)).not.toContain('RECLAIMED');
  await scene.fact('the instance is fine again', async () => {
    const { sites } = await readinessOf(instance);
    return sites[0]?.problem === null;
  });
  const told = instance.log.split('\n').filter((line) => line.includes('delivery log cannot be used'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(PROBLEM);
  for (const secret of [expired, good]) expect(instance.log).not.toContain(secret);
});
