// Scan threads that die, which no broker and no record may cause: nobody waits for ever, and the next reading begins anew.

import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { RepriseError } from '../../../src/domain/errors.ts';
import { freshTopic, message, openLog, openStream, pinOf, produce, readAll } from './cluster.ts';

test('a thread that ends takes its streams with it, not for good, and the next stream has a new one', async () => {
  const topic = await freshTopic();
  await produce(topic, [message('a')]);
  const { log, noted } = openLog(topic);
  const pin = await pinOf(log);
  const started = once(process, 'worker') as Promise<[Worker]>;
  // Without an end: it waits at the end of the log.
  const following = await openStream(log, { pin, end: () => null });
  const [thread] = await started;
  expect(await following.next()).toMatchObject({ events: [{ offset: 0 }] });
  const waiting = (async () => {
    for (;;) await following.next();
  })();
  waiting.catch(() => undefined);
  await thread.terminate();
  await expect(waiting).rejects.toThrow('the scan thread ended');
  await expect(waiting).rejects.not.toBeInstanceOf(RepriseError);
  await expect(following.next()).rejects.toThrow('the scan thread ended');
  expect(await readAll(await openStream(log, { pin }))).toMatchObject({ values: ['a'], gaps: [] });
  expect(noted.map(({ name }) => name)).not.toContain('read.gap');
});
