// What the database tells of all jobs, as readings of gauges.

import type { Database } from './store/database.ts';
import { readGauges } from './store/gauges.ts';
import { readOutboxGauges } from './store/outbox.ts';
import type { GaugeReading } from './telemetry/metrics.ts';

export async function storeGauges(database: Database): Promise<readonly GaugeReading[]> {
  const { states, oldestOpenSeconds, oldestClaimableSeconds, expiredLeases } = await readGauges(database);
  const outbox = await readOutboxGauges(database);
  const jobs = Object.entries(states).map(([state, value]) => ({
    gauge: 'jobs' as const,
    labels: { state },
    value,
  }));
  return [
    ...jobs,
    { gauge: 'oldestOpen', value: oldestOpenSeconds },
    { gauge: 'oldestClaimable', value: oldestClaimableSeconds },
    { gauge: 'expiredLeases', value: expiredLeases },
    { gauge: 'outboxPending', value: outbox.pending },
    { gauge: 'outboxAge', value: outbox.oldestSeconds },
  ];
}
