// Two data centres for end-to-end tests: a cluster each, the real MirrorMaker both ways, and a scene whose instances
// read dc1 and have dc2 for when it fails. Half of a story is produced at each site.

import { sitesSetting, allFlows } from '../../scripts/stack/mirror-flows.ts';
import { startStack, statusOf } from '../../scripts/stack/stack.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import type { Instance } from './instance.ts';
import { LogWriter } from './log-writer.ts';
import { Scene } from './scene.ts';
import type { Webhook } from './scene.ts';
import { storyOf } from './story.ts';
import type { Story } from './story.ts';
import { TopicTail } from './topic-tail.ts';

export const SITES = ['dc1', 'dc2'] as const;
export type Site = (typeof SITES)[number];
const other = (site: Site): Site => (site === 'dc1' ? 'dc2' : 'dc1');

/** Clusters and MirrorMaker of one test file, beside the run's own; they copy the topics of all scenes. */
export function ownSites(): Promise<Stack> {
  const flows = allFlows(SITES, ['log-.*']);
  return startStack({ name: `own-sites-${process.pid}`, database: 'none', sites: SITES, flows, tied: true });
}

/** Everything runs again, whatever a test that failed half way left dead or frozen. */
export async function reviveSites(stack: Stack): Promise<void> {
  const { running } = statusOf(stack.name);
  await Promise.all(
    SITES.filter((site) => running[`kafka-${site}`] === undefined).map((site) => stack.startKafka(site)),
  );
  if (running['mirror'] === undefined) await stack.startMirror();
  else stack.thawMirror();
}

export class TwoSites {
  readonly stack: Stack;
  readonly scene: Scene;
  readonly #writers: Readonly<Record<Site, LogWriter>>;
  readonly #env: Readonly<Record<string, string>>;
  #marks = 0;

  private constructor(
    stack: Stack,
    scene: Scene,
    writers: Readonly<Record<Site, LogWriter>>,
    env: Readonly<Record<string, string>>,
  ) {
    this.stack = stack;
    this.scene = scene;
    this.#writers = writers;
    this.#env = env;
  }

  /** A topic at both sites, and its copies; `env` of every instance. */
  static async open(stack: Stack, env: Readonly<Record<string, string>> = {}): Promise<TwoSites> {
    const scene = await Scene.open({ brokers: brokersOf(stack, 'dc1'), env });
    const dc2 = await LogWriter.open(brokersOf(stack, 'dc2'));
    await dc2.createTopic(scene.topic, scene.partitions);
    await stack.untilMirrored(scene.topic);
    const sites = sitesSetting(stack.sites, allFlows(SITES, [scene.topic]), scene.topic);
    return new TwoSites(stack, scene, { dc1: scene.writer, dc2 }, { REPRISE_SITES: sites });
  }

  /** An instance that is ready; both sites must answer. */
  start(name: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    return this.scene.start(name, { ...this.#env, ...env });
  }

  /** The name that a site has for its own topic, or for its copy of the other's. */
  source(site: Site, which: 'own' | 'copy'): string {
    const { topic } = this.scene;
    return which === 'own' ? `${site}/${topic}` : `${site}/${other(site)}.${topic}`;
  }

  /** A story of `count` events, every other record at the other site; resolves when each has the other's copies. */
  async tell(webhook: Pick<Webhook, 'key'>, count: number, padding = 0): Promise<Story> {
    const { partitions, topic } = this.scene;
    const partition = partitionOf(webhook.key, partitions);
    const { story, records } = storyOf({ key: webhook.key, partition, count, name: 'e', padding });
    for (const [at, site] of SITES.entries()) {
      const own = records.filter((_, index) => index % SITES.length === at);
      await this.#writers[site].write(topic, own, 200);
    }
    await this.untilCopied(webhook, story);
    return story;
  }

  /** One more event of the story, at one site alone as long as MirrorMaker stands still. */
  async add(site: Site, { key }: Pick<Webhook, 'key'>, eventId: string, timestampMs: number): Promise<void> {
    const partition = partitionOf(key, this.scene.partitions);
    const record = { key, value: `{"event":"${eventId}"}`, timestampMs, eventId, partition };
    await this.#writers[site].write(this.scene.topic, [record]);
  }

  /** Waits until each site has the copy of a record that is written at the other one now. */
  async untilCopied({ key }: Pick<Webhook, 'key'>, { toMs }: Pick<Story, 'toMs'>): Promise<void> {
    const { topic, partitions } = this.scene;
    const partition = partitionOf(key, partitions);
    const mark = `mark ${(this.#marks += 1)}`;
    const copied = SITES.map(async (site) => {
      const record = { key: 'marks', value: `${mark} of ${site}`, timestampMs: toMs + 1, partition };
      await this.#writers[site].write(topic, [record]);
      const there = brokersOf(this.stack, other(site));
      const tail = await TopicTail.open(there, `${site}.${topic}`, { keepsOnly: 'marks' });
      await tail.untilSeen(record.value).finally(() => tail.close());
    });
    await Promise.all(copied);
  }

  async close(): Promise<void> {
    await this.scene.close();
    await this.#writers.dc2.close();
  }
}

function brokersOf(stack: Stack, name: Site): string {
  const site = stack.sites.find((each) => each.name === name);
  if (!site) throw new Error(`the stack has no site ${name}`);
  return site.brokers;
}
