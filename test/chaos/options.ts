// What one run of the chaos is asked for on the command line.

import { parseArgs } from 'node:util';
import type { DatabaseKind } from '../../scripts/stack/database.ts';

export interface ChaosOptions {
  /** How long faults are injected; making the log before and healing after come on top. */
  readonly minutes: number;
  readonly seed: number;
  readonly instances: number;
  readonly database: DatabaseKind;
  /** Data centres: one cluster each, and MirrorMaker between them. */
  readonly sites: 1 | 2;
  /** Keep the evidence also when nothing was wrong. */
  readonly keep: boolean;
}

export const USAGE = `usage: npm run chaos -- [--minutes M] [--seed S] [--instances N] [--database mariadb|mysql] [--sites 1|2] [--keep]
  --minutes    how long faults are injected (default 1.5)
  --seed       repeats the choices of an earlier run, though not its timing (default: any)
  --instances  instances of Reprise (default 2)
  --database   mariadb (default) or mysql
  --sites      data centres: 1 (default), or 2 with MirrorMaker both ways
  --keep       keep the evidence also when no property is violated`;

/** Throws with a sentence for the caller when the words make no sense. */
export function parseOptions(words: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '1.5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      instances: { type: 'string', default: '2' },
      database: { type: 'string', default: 'mariadb' },
      sites: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
    },
  });
  const { database, sites, keep } = values;
  if (database !== 'mariadb' && database !== 'mysql') throw new Error('--database is mariadb or mysql');
  if (sites !== '1' && sites !== '2') throw new Error('--sites is 1 or 2');
  return {
    minutes: numberIn('minutes', values.minutes, 0.1, 600),
    seed: whole('seed', values.seed, 0, 2 ** 31 - 1),
    instances: whole('instances', values.instances, 1, 16),
    database,
    sites: sites === '1' ? 1 : 2,
    keep,
  };
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = numberIn(name, text, least, most);
  if (!Number.isInteger(value)) throw new Error(`--${name} is a whole number`);
  return value;
}

function numberIn(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  throw new Error(`--${name} is a number from ${least} to ${most}`);
}
