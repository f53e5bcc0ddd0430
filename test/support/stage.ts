// A scene with one instance and a raw log, for tests of what a replay delivers. Each test has a webhook and a
// receiver of its own, so that one instance serves a whole file. Leases are long: nothing is to be reclaimed here.

import { randomBytes } from 'node:crypto';
import { Receiver } from './receiver.ts';
import type { Received, ReceiverOptions } from './receiver.ts';
import type { JobView } from '../../src/domain/store.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import type { Instance } from './instance.ts';
import { KafkaLog } from './kafka-log.ts';
import { Scene } from './scene.ts';
import type { SceneOptions, Webhook } from './scene.ts';

export interface Range {
  readonly fromMs: number;
  readonly toMs: number;
  readonly maxRate?: number;
  readonly scan?: 'bounded' | 'full';
  readonly order?: 'any' | 'strict';
  readonly filters?: readonly object[];
}

const ENV = {
  REPRISE_LEASE_MS: '30000',
  REPRISE_HEARTBEAT_INTERVAL_MS: '500',
  REPRISE_RETRY_BASE_MS: '20',
  REPRISE_RETRY_CAP_MS: '200',
};

/** A key that nobody else has, on the given partition. */
export function keyIn(partition: number, partitions: number): string {
  for (;;) {
    const key = `key-${randomBytes(6).toString('hex')}`;
    if (partitionOf(key, partitions) === partition) return key;
  }
}

export class Stage {
  readonly scene: Scene;
  readonly instance: Instance;
  readonly log: KafkaLog;
  readonly #receivers: Receiver[] = [];

  private constructor(scene: Scene, instance: Instance, log: KafkaLog) {
    this.scene = scene;
    this.instance = instance;
    this.log = log;
  }

  static async open(options: SceneOptions = {}): Promise<Stage> {
    const scene = await Scene.open({ ...options, env: { ...ENV, ...options.env } });
    const log = await KafkaLog.open(process.env['REPRISE_TEST_BROKERS'] ?? '');
    return new Stage(scene, await scene.start('stage'), log);
  }

  /** A new webhook with a receiver of its own. */
  async listen(draft: Record<string, unknown> = {}, options: ReceiverOptions = {}): Promise<Listener> {
    const receiver = await this.receiver(options);
    const webhook = await this.scene.webhook(this.instance, { url: receiver.url, ...draft });
    return new Listener(this, webhook, receiver);
  }

  async receiver(options: ReceiverOptions = {}): Promise<Receiver> {
    const receiver = await Receiver.start(options);
    this.#receivers.push(receiver);
    return receiver;
  }

  async close(): Promise<void> {
    await this.scene.close();
    await Promise.all([this.log.close(), ...this.#receivers.map((receiver) => receiver.close())]);
  }
}

export class Listener {
  readonly webhook: Webhook;
  readonly receiver: Receiver;
  readonly #stage: Stage;

  constructor(stage: Stage, webhook: Webhook, receiver: Receiver) {
    this.#stage = stage;
    this.webhook = webhook;
    this.receiver = receiver;
  }

  get key(): string {
    return this.webhook.key;
  }

  /** Where Kafka puts the webhook's records. */
  get partition(): number {
    return partitionOf(this.key, this.#stage.scene.partitions);
  }

  /** Asks for a replay, the stage's instance or another; its id. */
  async request({ fromMs, toMs, ...more }: Range, instance = this.#stage.instance): Promise<string> {
    const range = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
    const path = `/v1/webhooks/${this.webhook.id}/replays`;
    const { status, body } = await instance.call<{ id: string }>('POST', path, { ...range, ...more });
    if (status !== 202) throw new Error(`the replay was refused with ${status}: ${JSON.stringify(body)}`);
    return body.id;
  }

  /** A replay and its completion, whatever the outcome. */
  async replayed(range: Range, deadlineMs?: number): Promise<JobView> {
    return this.#stage.scene.untilState(await this.request(range), 'COMPLETED', deadlineMs);
  }

  /** What was answered with 2xx, in order of arrival. */
  get accepted(): readonly Received[] {
    return this.receiver.records.filter(({ status }) => status !== null && status < 300);
  }

  /** Accepted bodies as text, in order of arrival. */
  get bodies(): readonly string[] {
    return this.accepted.map(({ body }) => body?.toString() ?? '');
  }

  /** Accepted event ids, in order of arrival. */
  get ids(): readonly string[] {
    return this.accepted.map(({ webhookId }) => webhookId);
  }
}
