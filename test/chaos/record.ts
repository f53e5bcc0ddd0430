// The record of one run, for machines: what was done, what was found. summary.ts adds records up.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repriseDir } from '../../scripts/stack/paths.ts';
import type { Bite } from './bite.ts';
import type { ChaosOptions } from './options.ts';
import type { Verdict } from './verdict.ts';
import type { World } from './world.ts';

export interface RunRecord {
  readonly seed: number;
  readonly database: string;
  readonly instances: number;
  /** Missing in records of before there were several: 1. */
  readonly sites?: number;
  /** How long faults were injected. */
  readonly minutes: number;
  /** RFC 3339. */
  readonly endedAt: string;
  /** How often each kind was done. */
  readonly faults: Readonly<Record<string, number>>;
  readonly notes: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  /** What the checker said to evidence that was spoiled on purpose; empty after a violation. */
  readonly spoils: readonly Bite[];
  /** Instances that ended without being asked to. */
  readonly selfEnded: readonly string[];
}

/** Resolves to the file: one per seed, database and number of sites, the last run of it. */
export function writeRecord(
  options: ChaosOptions,
  world: World,
  found: Pick<RunRecord, 'verdict' | 'spoils'>,
): string {
  const { seed, database, instances, minutes, sites } = options;
  const record: RunRecord = {
    seed,
    database,
    instances,
    sites,
    minutes,
    endedAt: new Date().toISOString(),
    faults: Object.fromEntries(world.timeline.faults),
    notes: Object.fromEntries(world.timeline.notes),
    ...found,
    selfEnded: world.fleet.selfEnded,
  };
  const file = join(
    repriseDir,
    'chaos-evidence',
    `${seed}-${database}${sites === 1 ? '' : `-${sites}-sites`}.json`,
  );
  writeFileSync(file, `${JSON.stringify(record)}\n`);
  return file;
}
