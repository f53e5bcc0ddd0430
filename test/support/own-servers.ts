// Servers that only one test file has, so that it may kill and freeze them, and what an instance says meanwhile.

import { expect } from 'vitest';
import { startStack, statusOf } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Instance } from './instance.ts';

/** A database or a Kafka cluster beside those of the run; ends with the test process at the latest. */
export function ownServer(which: 'database' | 'kafka', brokersPerSite = 1): Promise<Stack> {
  const kind = process.env['REPRISE_TEST_DATABASE'] === 'mysql' ? 'mysql' : 'mariadb';
  const database = which === 'database' ? kind : 'none';
  const sites = which === 'kafka' ? ['local'] : [];
  return startStack({ name: `own-${which}-${process.pid}`, database, sites, brokersPerSite, tied: true });
}

/** Starts again what a test that failed half way left dead, so that it does not take the next ones with it. */
export async function revive(stack: Stack): Promise<void> {
  const { state, running } = statusOf(stack.name);
  if (state?.database !== 'none' && running['database'] === undefined) await stack.startDatabase();
  if (stack.sites.length > 0 && running['kafka-local'] === undefined) await stack.startKafka();
}

/** SIGSTOP or SIGCONT for one of its processes: it keeps its connections and answers nobody. */
export function freeze(
  stack: Stack,
  server: 'database' | 'kafka-local',
  signal: 'SIGSTOP' | 'SIGCONT',
): Promise<void> {
  const pid = statusOf(stack.name).running[server];
  if (pid === undefined) throw new Error(`${server} does not run`);
  process.kill(pid, signal);
  return Promise.resolve();
}

export interface Readiness {
  readonly status: number;
  readonly database: { readonly problem: string | null };
  readonly sites: readonly { readonly reachable: boolean; readonly problem: string | null }[];
}

/** What /readyz says; the process must be alive to say it. */
export async function readinessOf(instance: Instance): Promise<Readiness> {
  expect((await instance.call('GET', '/healthz')).status).toBe(200);
  const { status, body } = await instance.call<Omit<Readiness, 'status'>>('GET', '/readyz');
  return { ...body, status };
}
