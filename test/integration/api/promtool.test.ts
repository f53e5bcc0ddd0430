// Held against the real promtool where there is one (Debian package `prometheus`); a fresh clone needs no
// Prometheus to pass, so elsewhere it is skipped and the unit test's lint of names stands alone. With
// REPRISE_TEST_PROMTOOL (its path) it must be there.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const demanded = process.env['REPRISE_TEST_PROMTOOL'];
const promtool = demanded ?? 'promtool';
const isMissing = demanded === undefined && spawnSync(promtool, ['--version']).error !== undefined;

/** What `promtool check metrics` says about an exposition; empty when it finds nothing. */
async function complaints(exposition: string): Promise<string> {
  const tool = spawn(promtool, ['check', 'metrics']);
  const ended = once(tool, 'close');
  tool.stdin.end(exposition);
  const said = await Promise.all([text(tool.stdout), text(tool.stderr)]);
  const [status] = (await ended) as [number];
  return said.join('') + (status === 0 ? '' : ` (exit ${status})`);
}

it.skipIf(isMissing)('the exposition passes promtool check metrics', async () => {
  const metrics = createMetrics({
    version: '1.0.0',
    gauges: () => Promise.resolve([{ gauge: 'jobs', labels: { state: 'OPEN' }, value: 1 }]),
  });
  metrics.listen('delivery.attempt', { outcome: 'delivered', events: 2, durationMs: 3 });
  metrics.listen('read.gap', { source: 'dc1/delivery_log', from: 1, to: 4, reason: 'retention' });
  metrics.listen('job.moved', { jobId: '1', fact: 'CLAIMED', from: 'OPEN', to: 'STARTED', fence: 1 });
  metrics.listen('delivery.limited', { by: 'rate', waitMs: 4 });
  expect(await complaints(await metrics.text())).toBe('');
});
