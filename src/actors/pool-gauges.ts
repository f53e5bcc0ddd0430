// What only the pool knows, for the metrics: numbers over all jobs that this instance runs. Labels are the configured
// sites', never a job's.

import { siteOf } from '../domain/ids.ts';
import type { Run } from './run.ts';

export interface JobGauges {
  readonly owed: number;
  readonly heartbeatAgeMs: number;
  readonly cutAgeMs: number;
  /** The sites that are read now, each with the records before its pinned ends; what is not pinned is not in it. */
  readonly sites: ReadonlyMap<string, number>;
}

/** Ages in seconds. */
export interface PoolReading {
  readonly gauge: 'running' | 'owed' | 'memory' | 'heartbeatAge' | 'cutAge' | 'jobsReading' | 'siteLag';
  readonly labels?: { readonly site: string };
  readonly value: number;
}

export function jobGauges({ progress, lease, cutSavedMs, edges, context }: Run): JobGauges {
  const { cut } = progress;
  const sites = new Map<string, number>();
  for (const { source, end, isLeft } of context().pins ?? []) {
    if (isLeft) continue;
    const left = end === null || !cut.has(source) ? 0 : Math.max(0, end - cut.nextOf(source));
    sites.set(siteOf(source), (sites.get(siteOf(source)) ?? 0) + left);
  }
  const cutAgeMs = cut.isDirty ? edges.clock.monoMs() - cutSavedMs : 0;
  return { owed: cut.owedCount, heartbeatAgeMs: lease.ageMs, cutAgeMs, sites };
}

export function poolGauges(
  jobs: readonly JobGauges[],
  { sites, memory }: { readonly sites: readonly string[]; readonly memory: number },
): readonly PoolReading[] {
  const oldest = (age: 'heartbeatAgeMs' | 'cutAgeMs'): number =>
    Math.max(0, ...jobs.map((job) => job[age])) / 1_000;
  const sum = (of: (job: JobGauges) => number): number => jobs.reduce((total, job) => total + of(job), 0);
  return [
    { gauge: 'running', value: jobs.length },
    { gauge: 'owed', value: sum(({ owed }) => owed) },
    { gauge: 'memory', value: memory },
    { gauge: 'heartbeatAge', value: oldest('heartbeatAgeMs') },
    { gauge: 'cutAge', value: oldest('cutAgeMs') },
    ...sites.flatMap((site): PoolReading[] => [
      { gauge: 'jobsReading', labels: { site }, value: sum((job) => (job.sites.has(site) ? 1 : 0)) },
      { gauge: 'siteLag', labels: { site }, value: sum((job) => job.sites.get(site) ?? 0) },
    ]),
  ];
}
