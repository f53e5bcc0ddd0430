import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { SIGNALS, type SignalName } from '../../../src/domain/signals.ts';
import { hideCredentials, logOptions } from '../../../src/telemetry/log.ts';
import { METRICS } from '../../../src/telemetry/metric-table.ts';
import { createMetrics, type GaugeReading } from '../../../src/telemetry/metrics.ts';
import { createSignals } from '../../../src/telemetry/signals.ts';

const NO_GAUGES = () => Promise.resolve<GaugeReading[]>([]);

function captured() {
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const log = pino(logOptions({ level: 'debug', instance: 'i-1' }), sink);
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('signals', () => {
  it('are logged with their fixed message, their data as fields, at their level', () => {
    const { log, parsed } = captured();
    const { emit } = createSignals({ log, metrics: () => undefined });
    emit('job.reclaimed', { jobId: '7', fence: 3 });
    expect(parsed()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        instance: 'i-1',
        signal: 'job.reclaimed',
        jobId: '7',
        fence: 3,
        message: SIGNALS['job.reclaimed'].message,
      },
    ]);
  });

  it('of level none are counted and never logged', async () => {
    const { log, lines } = captured();
    const metrics = createMetrics({ version: '1', gauges: NO_GAUGES });
    createSignals({ log, metrics: metrics.listen }).emit('dedupe.done', {
      duplicates: 4,
      tombstones: 0,
      filtered: 1,
    });
    expect(lines).toEqual([]);
    expect(await metrics.text()).toMatch(/^reprise_dedupe_duplicates_total 4$/m);
  });

  it('reach every listener, whatever another one does, until it leaves', () => {
    const { log, lines } = captured();
    const broken = () => {
      throw new Error('listener bug');
    };
    const { emit, listen } = createSignals({ log, metrics: broken });
    const heard: SignalName[] = [];
    const leave = listen((name) => heard.push(name));
    emit('pool.polled', { claimed: 0, reclaimed: 0, durationMs: 1 });
    leave();
    emit('pool.polled', { claimed: 0, reclaimed: 0, durationMs: 1 });
    expect(heard).toEqual(['pool.polled']);
    expect(lines[0]).toContain('listener bug');
  });
});

describe('the log', () => {
  it('shows no secret in fields, texts or errors', () => {
    const { log, lines } = captured();
    const secret = 'c4n4ry';
    log.error({
      headers: { authorization: `Bearer ${secret}` },
      webhook: { secret: `whsec_${secret}` },
      databaseUrl: `mysql://u:${secret}@h/db`,
      error: `cannot reach mysql://u:${secret}@h/db`,
      err: new Error(`whsec_${secret}`, { cause: new Error(`http://a:${secret}@b`) }),
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain(secret);
  });

  it('keeps what an operator needs of a text', () => {
    expect(hideCredentials('mysql://u:p@db:3306/x away, Bearer abc')).toBe(
      'mysql://[redacted]@db:3306/x away, Bearer [redacted]',
    );
  });
});

describe('metrics', () => {
  it('answer what was asked for, and drop it when it is gone', async () => {
    let readings: GaugeReading[] = [
      { gauge: 'jobs', labels: { state: 'OPEN' }, value: 2 },
      { gauge: 'oldestOpen', value: 1.5 },
    ];
    const metrics = createMetrics({ version: '1', gauges: () => Promise.resolve(readings) });
    const first = await metrics.text();
    expect(first).toContain('reprise_jobs{state="OPEN"} 2');
    expect(first).toContain('reprise_oldest_open_job_age_seconds 1.5');
    readings = [{ gauge: 'jobs', labels: { state: 'ONGOING' }, value: 1 }];
    const second = await metrics.text();
    expect(second).not.toContain('OPEN');
    expect(second).not.toMatch(/^reprise_oldest_open_job_age_seconds/m);
  });

  it('are answered without the gauges when those fail', async () => {
    const gauges = () => Promise.reject(new Error('database away'));
    const text = await createMetrics({ version: '1', gauges }).text();
    expect(text).toMatch(/^reprise_gauges_up 0$/m);
    expect(text).toMatch(/^reprise_job_claims_total 0$/m);
  });

  it('count endless label values together', async () => {
    const metrics = createMetrics({ version: '1', gauges: NO_GAUGES });
    for (let n = 0; n < 1000; n++) metrics.listen('delivery.dead_letter', { jobId: '1', reason: `r${n}` });
    const text = await metrics.text();
    expect(text).toContain('reprise_delivery_dead_letters_total{reason="other"} 800');
  });

  it('tell a mirror’s latency for each of many partitions', async () => {
    const metrics = createMetrics({ version: '1', gauges: NO_GAUGES });
    const [source, upstream] = ['dc1/dc2.log', 'dc2/log'];
    for (let partition = 0; partition < 300; partition++) {
      metrics.listen('mirror.lag', { source, upstream, partition, latencyMs: 1500 });
    }
    metrics.listen('mirror.lag', { source, upstream, partition: 7, latencyMs: 0 });
    const text = await metrics.text();
    const labels = `source="${source}",upstream="${upstream}"`;
    expect(text).toContain(`reprise_mirror_latency_seconds{${labels},partition="299"} 1.5\n`);
    expect(text).toContain(`reprise_mirror_latency_seconds{${labels},partition="7"} 0\n`);
  });

  it('have names that Prometheus’s conventions accept', () => {
    for (const { name, type, help, labels, unit } of METRICS) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name, name).not.toMatch(/_(count|sum|bucket|ms|milliseconds|minutes|kb|mb)(_|$)/);
      if (unit !== '') expect(name.replace(/_total$/, ''), name).toMatch(new RegExp(`_${unit}(_|$)`));
      expect(help, name).toMatch(/\S.*\.$/);
      expect(labels, name).not.toContain('le');
    }
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
  });

  it('never carry a job or webhook, and histograms carry no label at all', () => {
    for (const { name, type, labels } of METRICS) {
      expect(
        labels.filter((label) => /job|webhook|tenant|url/i.test(label)),
        name,
      ).toEqual([]);
      if (type === 'histogram') expect(labels, name).toEqual([]);
    }
  });
});
