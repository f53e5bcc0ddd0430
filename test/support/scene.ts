// A whole scene for end-to-end tests: a fresh database and fresh topics on the real servers, a receiver, and
// instances as child processes. Everything is asked of the outside: the REST API, the database's facts, and what
// the receiver answered. Waiting is for facts with a deadline; a fact that does not come tells what was there.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { DEFAULT_TENANT, asJobId } from '../../src/domain/ids.ts';
import type { JobState, Outcome } from '../../src/domain/job.ts';
import type { ReplayStore, Transition } from '../../src/domain/replay-store.ts';
import type { JobView } from '../../src/domain/store.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { createReplayStore } from '../../src/store/replay-store.ts';
import { checkHistory, checkTurns, freshDatabase } from './database.ts';
import type { TestDatabase } from './database.ts';
import { Instance } from './instance.ts';
import { LogWriter } from './log-writer.ts';
import { freePort } from './ports.ts';
import { Receiver } from './receiver.ts';
import { storyOf } from './story.ts';
import type { Story } from './story.ts';

export type { Story } from './story.ts';

export interface SceneOptions {
  /** Default: the stack of the run. */
  readonly brokers?: string;
  readonly databaseUrl?: string;
  readonly topics?: number;
  /** Default 4. */
  readonly partitions?: number;
  /** Settings of every instance, above the short leases that are the default here. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Webhook {
  readonly id: string;
  readonly key: string;
  readonly secret: string;
}

/** Short leases: a reclaim takes seconds. The relations are those of the defaults. */
const ENV = {
  REPRISE_LEASE_MS: '2000',
  REPRISE_HEARTBEAT_INTERVAL_MS: '300',
  REPRISE_POLL_INTERVAL_MS: '100',
  REPRISE_CUT_INTERVAL_MS: '50',
};
const TETHER = join(import.meta.dirname, '..', '..', 'scripts', 'stack', 'tether.ts');
const DEADLINE_MS = 30_000;
const ENDED: readonly JobState[] = ['COMPLETED', 'CANCELLED', 'FAILED'];

export class Scene {
  readonly database: TestDatabase;
  readonly receiver: Receiver;
  readonly writer: LogWriter;
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly apiKey = randomBytes(16).toString('hex');
  /** The store as another instance has it. */
  readonly store: ReplayStore;
  readonly #brokers: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #logDir = mkdtempSync(join(tmpdir(), 'reprise-scene-'));
  readonly #instances: Instance[] = [];
  #closed = false;

  private constructor(
    parts: { database: TestDatabase; receiver: Receiver; writer: LogWriter; topics: readonly string[] },
    options: { brokers: string; partitions: number; env: Readonly<Record<string, string>> },
  ) {
    this.database = parts.database;
    this.receiver = parts.receiver;
    this.writer = parts.writer;
    this.topics = parts.topics;
    this.partitions = options.partitions;
    this.store = createReplayStore(parts.database.open({ poolSize: 2 }));
    this.#brokers = options.brokers;
    this.#env = options.env;
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const brokers = options.brokers ?? process.env['REPRISE_TEST_BROKERS'];
    if (!brokers) throw new Error('REPRISE_TEST_BROKERS is not set: run `npm test`, which starts the stack');
    const { partitions = 4, env = {} } = options;
    const run = randomBytes(6).toString('hex');
    const topics = Array.from({ length: options.topics ?? 1 }, (_, index) => `log-${run}-${index}`);
    const [database, receiver, writer] = await Promise.all([
      freshDatabase(options.databaseUrl),
      Receiver.start({ storeBodies: false }),
      LogWriter.open(brokers),
    ]);
    for (const topic of topics) await writer.createTopic(topic, partitions);
    return new Scene({ database, receiver, writer, topics }, { brokers, partitions, env });
  }

  /** The first topic. */
  get topic(): string {
    const [topic] = this.topics;
    if (topic === undefined) throw new Error('the scene has no topic');
    return topic;
  }

  /** Starts an instance and does not wait for it; it ends with the scene, or with the test process. */
  async launch(name: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    const instance = new Instance({
      name,
      port: await freePort(),
      apiKey: this.apiKey,
      databaseUrl: this.database.url,
      brokers: this.#brokers,
      topics: this.topics,
      logDir: this.#logDir,
      nodeArgs: ['--import', TETHER],
      env: { ...ENV, REPRISE_TETHER: String(process.pid), ...this.#env, ...env },
    });
    this.#instances.push(instance);
    return instance;
  }

  /** An instance that is ready. */
  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    const instance = await this.launch(name, env);
    return instance.ready();
  }

  /** The instance that holds the job's lease. */
  async owner(id: string): Promise<Instance> {
    const { owner } = await this.job(id);
    const instance = this.#instances.find(({ name }) => owner?.startsWith(`${name}-`));
    if (!instance) throw new Error(`replay ${id} is owned by ${String(owner)}, no instance of this scene`);
    return instance;
  }

  /** Registers a webhook at the receiver (on a path of its own) through an instance's REST API. */
  async webhook(instance: Instance, draft: Record<string, unknown> = {}): Promise<Webhook> {
    const { status, body } = await instance.call<Webhook>('POST', '/v1/webhooks', {
      url: this.receiver.url,
      ...draft,
    });
    if (status !== 201) throw new Error(`the webhook was refused with ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Asks for a replay; its id. `more` goes into the request as it is, for instance `maxRate`. */
  async replay(
    instance: Instance,
    webhook: Pick<Webhook, 'id'>,
    { fromMs, toMs }: Pick<Story, 'fromMs' | 'toMs'>,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const { status, body } = await instance.call<{ id: string }>(
      'POST',
      `/v1/webhooks/${webhook.id}/replays`,
      { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), ...more },
    );
    if (status !== 202) throw new Error(`the replay was refused with ${status}: ${JSON.stringify(body)}`);
    return body.id;
  }

  /** Writes a story of `count` events of the webhook into the first topic. */
  async tell(webhook: Pick<Webhook, 'key'>, count: number, name = 'e', padding = 0): Promise<Story> {
    const partition = partitionOf(webhook.key, this.partitions);
    const { story, records } = storyOf({ key: webhook.key, partition, count, name, padding });
    await this.writer.write(this.topic, records);
    return story;
  }

  /** The job as the database has it, whichever instances live. */
  async job(id: string): Promise<JobView> {
    const job = await this.store.replay(DEFAULT_TENANT, asJobId(id));
    if (!job) throw new Error(`there is no replay ${id}`);
    return job;
  }

  async transitions(id: string): Promise<readonly Transition[]> {
    const page = await this.store.transitions(DEFAULT_TENANT, asJobId(id), { limit: 1_000, cursor: null });
    return page?.items ?? [];
  }

  /** The names of the job's facts, in order. */
  async facts(id: string): Promise<readonly string[]> {
    return (await this.transitions(id)).map(({ type }) => type);
  }

  /** Waits until the job satisfies `holds`. */
  until(id: string, holds: (job: JobView) => boolean, deadlineMs = DEADLINE_MS): Promise<JobView> {
    const look = async (): Promise<JobView | null> => {
      const job = await this.job(id);
      return holds(job) ? job : null;
    };
    return this.fact(`replay ${id}: ${holds.toString()}`, look, deadlineMs);
  }

  /** Waits until the job is in `state`; another end is told at once. */
  async untilState(id: string, state: JobState, deadlineMs = DEADLINE_MS): Promise<JobView> {
    const job = await this.until(
      id,
      (seen) => seen.state === state || ENDED.includes(seen.state),
      deadlineMs,
    );
    if (job.state !== state) throw new Error(`replay ${id} ended ${job.state}\n${this.logs()}`);
    return job;
  }

  /** Asks `look` until it answers something; an error of it counts as "not yet". */
  async fact<T>(what: string, look: () => Promise<T | null | false>, deadlineMs = DEADLINE_MS): Promise<T> {
    const until = performance.now() + deadlineMs;
    let last: unknown;
    for (;;) {
      try {
        const answer = await look();
        if (answer !== null && answer !== false) return answer;
        last = 'no';
      } catch (error) {
        last = error;
      }
      if (performance.now() > until)
        throw new Error(`after ${deadlineMs} ms still not: ${what} (${String(last)})\n${this.logs()}`);
      await betweenLooks();
    }
  }

  /** How often each event id was answered with 2xx, of one job or of all. */
  answered(jobId?: string): ReadonlyMap<string, number> {
    const times = new Map<string, number>();
    for (const { webhookId, status, headers } of this.receiver.records) {
      if (status === null || status >= 300) continue;
      if (jobId !== undefined && headers['reprise-job-id'] !== jobId) continue;
      times.set(webhookId, (times.get(webhookId) ?? 0) + 1);
    }
    return times;
  }

  /**
   * P1-P4 and P6 of one ended job: COMPLETED with this outcome, every event delivered, none foreign, repeats at most
   * the bound (and at most `repeats`) beside attempts without an answer, one end, and a history that folds to the
   * row. Resolves to the repeats.
   */
  async checkComplete(
    id: string,
    ids: readonly string[],
    repeats = Infinity,
    outcome: Outcome = 'complete',
  ): Promise<number> {
    const job = await this.job(id);
    expect(`${job.state}/${String(job.outcome)}`, this.logs()).toBe(`COMPLETED/${outcome}`);
    const answered = this.answered(id);
    const missing = ids.filter((event) => !answered.has(event));
    const known = new Set(ids);
    const foreign = [...answered.keys()].filter((event) => !known.has(event));
    expect({ missing, foreign }, this.logs()).toEqual({ missing: [], foreign: [] });
    const repeated = [...answered.values()].reduce((sum, times) => sum + times - 1, 0);
    const { matched, delivered, duplicates, filtered, deadLettered, unanswered } = job.counts;
    expect(repeated).toBeLessThanOrEqual(Math.min(job.duplicateBound, repeats) + unanswered);
    expect(matched).toBe(delivered + duplicates + filtered + deadLettered);
    expect(delivered).toBe(ids.length);
    const ends = (await this.transitions(id)).filter(({ to }) => ENDED.includes(to));
    expect(ends.map(({ to }) => to)).toEqual(['COMPLETED']);
    await checkHistory(this.database, id);
    await checkTurns(this.database);
    return repeated;
  }

  /** The ends of the instances' logs, for the message of a failure. */
  logs(): string {
    return this.#instances.map(({ log, logFile }) => `--- ${logFile}\n${log.slice(-3_000)}`).join('\n');
  }

  /** Ends what the scene started; the second time does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#instances.map((instance) => instance.kill()));
    await Promise.all([this.receiver.close(), this.writer.close(), this.database.drop()]);
    rmSync(this.#logDir, { recursive: true, force: true });
  }
}

/** Between two looks at something that only another process knows. */
function betweenLooks(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
