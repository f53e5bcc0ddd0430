// What every demo has: servers, a receiver that counts what it answered with 2xx, instances, webhooks, and the
// progress of one replay on the screen. Everything that is started here is ended by `close`, newest first.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Instance } from '../../test/support/instance.ts';
import { freePort } from '../../test/support/ports.ts';
import { Receiver } from '../../test/support/receiver.ts';
import { startStack } from '../stack/stack.ts';
import type { Stack } from '../stack/stack.ts';
import { ProgressLine } from './progress-line.ts';
import type { Story } from './story.ts';

export const TOPIC = 'delivery_log';
export const PARTITIONS = 4;
const POLL_MS = 200;
const GIVE_UP_MS = 120_000;

export interface Job {
  readonly id: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly rate: number;
  readonly etaMs: number | null;
  readonly duplicateBound: number;
  readonly fence: number;
  readonly owner: string | null;
  readonly site: string | null;
  readonly evidence: string | null;
  readonly gaps: readonly { readonly reason: string; readonly filledBy: string | null }[];
  readonly counts: { readonly delivered: number; readonly siteSwitches: number };
}

export const isOver = ({ state }: Job): boolean =>
  ['COMPLETED', 'CANCELLED', 'FAILED', 'PAUSED'].includes(state);
export const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1);

export class DemoStage {
  readonly line = new ProgressLine();
  /** Event id -> how often it was answered with 2xx. */
  readonly received = new Map<string, number>();
  readonly #apiKey = randomBytes(24).toString('hex');
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  #ending: Promise<void> | null = null;

  async startStack(sites: readonly string[]): Promise<Stack> {
    const startedAt = performance.now();
    const kafka =
      sites.length === 1 ? 'a private Kafka broker' : `${sites.length} Kafka clusters, MirrorMaker`;
    this.line.say(`starting ${kafka} and a private MariaDB ...`);
    const stack = await startStack({ name: 'demo', tied: true, sites });
    this.endWith(() => stack.stop({ wipe: true }));
    const where = stack.sites.map(({ name, brokers }) =>
      sites.length === 1 ? brokers : `${name} ${brokers}`,
    );
    this.line.say(`  ready after ${seconds(startedAt)} s: Kafka ${where.join(', ')}, MariaDB`);
    return stack;
  }

  async startReceiver(): Promise<Receiver> {
    const receiver = await Receiver.start({
      storeBodies: false,
      trackIds: false,
      keep: 10,
      answer: ({ webhookId, headers }) => {
        if (headers['reprise-job-id']) this.received.set(webhookId, (this.received.get(webhookId) ?? 0) + 1);
        return { status: 200 };
      },
    });
    this.endWith(() => receiver.close());
    return receiver;
  }

  async startInstance(
    name: string,
    stack: Stack,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Instance> {
    const instance = new Instance({
      name,
      port: await freePort(),
      apiKey: this.#apiKey,
      databaseUrl: stack.databaseUrl,
      brokers: stack.brokers,
      topics: [TOPIC],
      logDir: join(stack.dir, 'instances'),
      // Short leases, so that the reclaim of the demo takes seconds.
      env: { REPRISE_LEASE_MS: '4000', REPRISE_HEARTBEAT_INTERVAL_MS: '500', ...env },
    });
    this.endWith(() => instance.kill());
    return instance.ready();
  }

  async registerWebhooks(instance: Instance, url: string): Promise<{ id: string; others: string[] }> {
    const ids: string[] = [];
    for (const description of ['ours', 'neighbour 1', 'neighbour 2', 'neighbour 3']) {
      const draft = { url, description };
      const { status, body } = await instance.call<{ id: string }>('POST', '/v1/webhooks', draft);
      if (status !== 201) throw new Error(`a webhook was refused with ${status}: ${JSON.stringify(body)}`);
      ids.push(body.id);
    }
    const [id = '', ...others] = ids;
    return { id, others };
  }

  /** The receiver is down, a live delivery fails, and it comes back: from now on only a replay can help. */
  async outage(receiver: Receiver, story: Story): Promise<void> {
    await receiver.down();
    const refused = await fetch(receiver.url, { method: 'POST', body: '{}' }).then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error('the receiver should have been down');
    await receiver.up();
    const [from, to] = [story.fromMs, story.toMs].map((ms) => new Date(ms).toISOString());
    this.line.say(`the receiver was down from ${from ?? ''} to ${to ?? ''} and is back`);
  }

  /** Asks for all that was missed; the replay's id. */
  async requestReplay(instance: Instance, webhookId: string, story: Story): Promise<string> {
    const path = `/v1/webhooks/${webhookId}/replays`;
    const { status, body } = await instance.call<{ id: string }>('POST', path, {
      from: new Date(story.fromMs).toISOString(),
      to: new Date(story.toMs).toISOString(),
    });
    if (status !== 202) throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
    this.line.say(`POST ${path} -> 202, replay ${body.id}`);
    return body.id;
  }

  /** Shows the progress until `until` holds. */
  async follow(instance: Instance, id: string, of: number, until: (job: Job) => boolean): Promise<Job> {
    const deadline = performance.now() + GIVE_UP_MS;
    for (;;) {
      const { status, body: job } = await instance.call<Job>('GET', `/v1/replays/${id}`);
      if (status !== 200) throw new Error(`GET /v1/replays/${id} answered ${status}`);
      const eta = job.etaMs === null ? '' : `, ETA ${Math.ceil(job.etaMs / 1_000)} s`;
      const rate = Math.round(job.rate).toLocaleString('en');
      const done = `${job.counts.delivered.toLocaleString('en')} of ${of.toLocaleString('en')} events`;
      this.line.show(`${job.state.padEnd(9)} ${done}, ${rate}/s${eta}`);
      if (until(job)) return job;
      if (performance.now() > deadline) throw new Error(`the replay did not move on: ${JSON.stringify(job)}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  endWith(cleanup: () => Promise<unknown>): void {
    this.#cleanups.push(cleanup);
  }

  /** Once. */
  close(): Promise<void> {
    this.#ending ??= (async () => {
      for (const cleanup of this.#cleanups.reverse()) await cleanup().catch(() => undefined);
    })();
    return this.#ending;
  }
}
