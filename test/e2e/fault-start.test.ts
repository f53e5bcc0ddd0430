// Starts that must not be: settings that are wrong, and a log whose partitions are not the ones that were named.
// The process says everything that is wrong, touches nothing, and ends with 1.

import { afterEach, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import { newWebhook } from '../support/database.ts';
import { SPEC } from '../support/example.ts';
import { Scene } from '../support/scene.ts';

let scene: Scene;
afterEach(() => scene.close());

test('another number of partitions than the log has: nothing is claimed, and the reason is said', async () => {
  scene = await Scene.open({ partitions: 3 });
  const job = await scene.store.requestReplay(
    DEFAULT_TENANT,
    await newWebhook(scene.store, DEFAULT_TENANT),
    SPEC,
    'test',
  );
  if (job === 'no_webhook') throw new Error('the webhook is not there');
  const a = await scene.launch('a', { REPRISE_PARTITIONS: '4' });
  expect(await a.exited).toBe(1);
  expect(a.log).toContain(`reprise cannot start: topic ${scene.topic} has 3 partitions, not 4`);
  expect(await scene.facts(job.id)).toEqual(['REQUESTED']);
});

test('topics of one site with different numbers of partitions are refused too', async () => {
  scene = await Scene.open({ topics: 1 });
  const other = `${scene.topic}-other`;
  await scene.writer.createTopic(other, 7);
  const a = await scene.launch('a', {
    REPRISE_SITES: `dc1=${process.env['REPRISE_TEST_BROKERS'] ?? ''}/${scene.topic}+${other}`,
  });
  expect(await a.exited).toBe(1);
  expect(a.log).toContain(`topic ${other} has 7 partitions, not 4`);
});

test('wrong settings are all told at once, with what is allowed, and no secret', async () => {
  scene = await Scene.open();
  const a = await scene.launch('a', {
    REPRISE_DATABASE_URL: 'postgres://user:hush-hush@127.0.0.1/db',
    REPRISE_SITES: 'dc1',
    REPRISE_API_KEY: '',
    REPRISE_LEASE_MS: '2000',
    REPRISE_HEARTBEAT_INTERVAL_MS: '900',
    REPRISE_POOL_SIZ: '3',
  });
  expect(await a.exited).toBe(1);
  const lines = a.log.trimEnd().split('\n');
  expect(lines[0]).toBe('reprise cannot start: 5 settings are wrong:');
  for (const [name, words] of [
    ['REPRISE_DATABASE_URL', 'allowed: mysql://'],
    ['REPRISE_SITES', 'allowed: '],
    ['REPRISE_API_KEY', 'is missing; allowed: '],
    ['REPRISE_HEARTBEAT_INTERVAL_MS', 'allowed: below a third of REPRISE_LEASE_MS'],
    ['REPRISE_POOL_SIZ', 'did you mean REPRISE_POOL_SIZE?'],
  ] as const) {
    expect(lines.find((line) => line.startsWith(`  ${name}: `))).toContain(words);
  }
  expect(a.log).not.toContain('hush-hush');
});

test('a port that somebody has is said, and the process ends', async () => {
  scene = await Scene.open();
  const a = await scene.start('a');
  const b = await scene.launch('b', { REPRISE_LISTEN: new URL(a.url).host });
  expect(await b.exited).toBe(1);
  expect(b.log).toContain('EADDRINUSE');
});
